"""The page of `capacity`: how much is served within the SLO, and how attainment falls beyond it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reports.output import output_folder
from reports.page import Axis, Lines, Page, Table, write_page
from reports.serving import basis, tiles
from simcore.spec.scenario import Scenario

NAMES = ("capacity.html",)
TRIED = {"rate_requests_per_s": "requests/s", "replicas": "replicas", "chips": "chips"}


def write_capacity(out: Path, question: Scenario, report: dict[str, Any], pictures: bool = False) -> None:
    """`capacity.html`."""
    with output_folder(out, "capacity", NAMES) as folder:
        write_page(folder, "capacity.html", page_of(question, report), pictures)


def in_words(report: dict[str, Any]) -> str:
    """One line for a person about what `capacity` found."""
    if "infeasible" in report:
        return str(report["infeasible"])
    share = f"{100 * report['attainment_ratio']:.1f} % of requests meet the SLO ({report['runs']} runs)"
    if not is_found(report):
        tried = "any rate" if "rate_requests_per_s" in report else "as many replicas as --most allows"
        return f"the SLO is not met at {tried}: {share}"
    if "rate_requests_per_s" in report:
        what = f"{report['rate_requests_per_s']:.4g} requests/s, {report['rate_ratio']:.4g} times the scenario's rate,"
    else:
        pools = ", ".join(f"{count} {name}" for name, count in (report.get("pools") or {}).items())
        what = f"{report['replicas']} replicas{f' ({pools})' if pools else ''}"
    return f"{what} on {report['chips']} chips: {share}"


def is_found(report: dict[str, Any]) -> bool:
    """Whether any rate, or any number of replicas, is within the SLO."""
    return "infeasible" not in report and bool(report.get("rate_requests_per_s", report.get("replicas")))


def page_of(question: Scenario, report: dict[str, Any]) -> Page:
    """The page from top to bottom; `slo.attainment` of the requests must meet the SLO."""
    from planners.whatif.assumed import assumed

    title, share = question.title or question.name, question.slo.attainment
    told = in_words(report)
    blocks: list[Any] = [tiles(report)] if is_found(report) else []
    rows = report.get("tried") or []
    if rows:
        name = next(key for key in TRIED if key in rows[0])
        blocks += [attainment(rows, name, share, report.get(name)), runs(rows, name)]
    answer = told[0].upper() + told[1:] + "."
    return Page("capacity", title, answer, (), [*blocks, *basis(report, assumed(question))], is_no=not is_found(report))


def attainment(rows: list[dict[str, Any]], name: str, share: float, found: float | None) -> Lines:
    """Attainment against what was tried."""
    curve = ([row[name] for row in rows], [row["attainment_ratio"] for row in rows])
    return Lines(
        f"Attainment against {TRIED[name]}",
        [("requests within the SLO", *curve)],
        Axis(TRIED[name], True),
        Axis("share of requests within the SLO"),
        across=[(share, f"asked: {100 * share:.3g} %")],
        along=[(float(found), "the answer")] if found else [],
        caption="Every run of the search.",
    )


def runs(rows: list[dict[str, Any]], name: str) -> Table:
    """Every run of the search."""
    cells = [
        [f"{row[name]:.4g}", f"{100 * row['attainment_ratio']:.2f}", "yes" if row["good"] else "no"] for row in rows
    ]
    return Table("Runs of the search", [TRIED[name], "within the SLO, %", "enough"], cells)
