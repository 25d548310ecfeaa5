"""The files of a finished sweep: frontier.csv, best.csv, figures, study.json and a self-contained report.html."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports import html, plots
from reports.files import write_text
from reports.style import save
from reports.tables import ranked, smallest_first
from simcore.result import Result, ResultTable

if TYPE_CHECKING:
    from typing import Protocol

    class Pages(Protocol):
        """What a planner hands over; see `planners.sweep.SweepPages`."""

        @property
        def summary(self) -> Any: ...
        @property
        def base(self) -> Any: ...
        @property
        def systems(self) -> dict[str, Any]: ...
        @property
        def picks(self) -> dict[str, Result]: ...


NAMES = ("results.parquet", "study.json", "frontier.csv", "best.csv", "report.html")
"""files that every sweep writes; figures come with them"""


def write_pages(folder: Path, pages: Pages) -> None:
    """Write everything but results.parquet, each file whole; report.html last."""
    summary = pages.summary
    write_text(folder / "study.json", json.dumps(summary.study.model_dump(mode="json", by_alias=False), indent=1))
    for name, table in (("frontier", summary.frontier), ("best", summary.best)):
        write_text(folder / f"{name}.csv", csv_text(table))
    figures = draw(folder, pages)
    write_text(folder / "report.html", html.page(title_of(summary.study), body(pages, figures)))


def csv_text(table: ResultTable | None) -> str:
    """A table as CSV; only a header comment where there is no row."""
    if table is None or not len(table):
        return "# no plan meets the targets\n"
    return str(table.to_pandas().to_csv(index=False, float_format="%.6g"))


def title_of(study: Any) -> str:
    return str(study.title or study.name)


def draw(folder: Path, pages: Pages) -> dict[str, str]:
    """Figures as PNG and SVG files; returns the SVG texts by name."""
    summary = pages.summary
    colours = plots.colours_for(list(pages.systems))
    objectives = summary.study.objective.frontier
    scatter = plots.frontier(summary.sample, summary.frontiers, summary.frontier, objectives, colours)
    figures = {"frontier": scatter}
    if pages.picks:
        figures["roofline"] = plots.rooflines(pages.picks, pages.systems)
        figures["breakdown"] = plots.breakdown(pages.picks)
        figures["memory"] = plots.memory(pages.picks)
    return {name: save(fig, folder, name) for name, fig in figures.items()}


def body(pages: Pages, figures: dict[str, str]) -> list[str]:
    """The page from top to bottom: the answer, the figures, what it rests on."""
    summary, study = pages.summary, pages.summary.study
    parts = [html.heading(title_of(study), 1), html.paragraph(question(pages), "lead"), tiles(summary), answer(pages)]
    parts += [html.heading("Frontier"), html.figure(figures["frontier"], FRONTIER_CAPTION)]
    captions = {"breakdown": BREAKDOWN_CAPTION, "memory": MEMORY_CAPTION, "roofline": ROOFLINE_CAPTION}
    for name, title in (("breakdown", "Where the time goes"), ("memory", "Memory"), ("roofline", "Rooflines")):
        if name in figures:
            parts += [html.heading(title), html.figure(figures[name], captions[name])]
    return parts + basis(pages)


FRONTIER_CAPTION = (
    "Faint dots are plans that fit; lines join each system's plans on target that none of its own beats on both axes; "
    "dark rings mark those that no plan of any system beats. "
    "Labels: chip, weight format, degrees of parallelism, batch per replica."
)
BREAKDOWN_CAPTION = "Best plan of each system by the ranking objective. Times add up to the whole step."
MEMORY_CAPTION = (
    "Per chip of the fullest pipeline stage. The dark line is the share of the memory that the server may use."
)
ROOFLINE_CAPTION = "Operations of the best plan: circles decode, triangles prefill; area grows with the share of time."


def question(pages: Pages) -> str:
    """The study in one sentence."""
    study, demand = pages.summary.study, pages.base.demand
    targets = [f"{n} <= {v * 1e3:g} ms" for n, v in (("TTFT", study.slo.ttft_s), ("TPOT", study.slo.tpot_s)) if v]
    aim = f", {' and '.join(targets)} at the {study.slo.quantile:g} quantile of the input length" if targets else ""
    lengths = f"{demand.input.mean_tokens:.0f} input and {demand.output.mean_tokens:.0f} output tokens on average"
    who = f"{pages.base.model.name}, traffic {demand.name} ({lengths}){aim}"
    return f"{who}. Numbers: {study.hardware.stack}, steady state."


def tiles(summary: Any) -> str:
    return html.tiles(
        [
            (f"{summary.evaluated:,}", "plans evaluated"),
            (f"{summary.feasible:,}", "fit in memory"),
            (f"{summary.on_target:,}", "meet the targets"),
            (f"{len(summary.frontier) if summary.frontier else 0}", "on the frontier"),
        ]
    )


def answer(pages: Pages) -> str:
    """The ranked table, or what comes nearest."""
    summary, stack = pages.summary, pages.summary.study.hardware.stack
    rank_by = plots.NAMES[summary.study.objective.rank_by][1]
    left = ("system", "weights", "KV", "decode bound", "stack")
    if summary.best is not None:
        rows = list(summary.best.rows())
        short, top = ranked(smallest_first(rows, summary.study.objective.rank_by), stack)
        title = html.heading(f"Best plan of each system and weight format, by {rank_by}")
        by_count = sorted(rows, key=lambda row: (row.chips, row.values[summary.study.objective.rank_by]))
        header, cells = ranked(by_count, stack)
        more = html.heading("The same at every chip count") + html.details("show", html.table(header, cells, left))
        return title + html.table(short, top, left) + more
    if summary.nearest is None:
        return html.paragraph("No plan fits in memory: more chips or a smaller format are needed.", "warn")
    header, cells = ranked(list(summary.nearest.rows()), stack)
    return html.paragraph("No plan meets the targets. Nearest:", "warn") + html.table(header, cells, left)


def basis(pages: Pages) -> list[str]:
    """Notes, assumptions and sources behind the numbers."""
    summary = pages.summary
    stack = summary.study.hardware.stack
    parts = [html.heading("What this rests on")]
    parts.append(html.paragraph(STACK_NOTES.get(stack, f"Calibrated for the software stack {stack}."), "warn"))
    parts += [html.paragraph(note) for note in summary.notes]
    economics = pages.base.economics
    parts.append(
        html.paragraph(
            f"Cost basis: {economics.basis}; electricity {economics.electricity_usd_per_kwh:g} USD/kWh, "
            f"PUE {economics.pue_ratio:g}, lifetime {economics.lifetime_s / 31557600:g} years."
        )
    )
    if summary.assumptions:
        rows = [[where, text] for where, text in sorted(summary.assumptions.items())]
        parts += [html.heading("Assumed numbers"), html.table(["number", "value"], rows, ("number",), ("value",))]
    return parts


STACK_NOTES = {
    "datasheet": "Uncalibrated: stack datasheet predicts from the data sheet and efficiencies learnt on other chips.",
}
