"""The files of a finished sweep: frontier.csv, best.csv, study.json and the page report.html."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planners.summary import meets
from reports.files import write_text
from reports.page import Axis, Notes, Page, Points, Ranges, Table, Tiles, write_page
from reports.page.blocks import Block
from reports.plans import breakdown, plan_key, plan_label, plan_points, thinned
from reports.style import category
from reports.tables import TITLES, ranked, smallest_first
from simcore.result import Result, ResultTable, concatenate
from simcore.unit_text import seconds

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
"""files that every sweep writes"""
LEFT = ("system", "weights", "KV", "decode bound", "stack")
ROOFLINES = (
    "Operations of each system's best plan by FLOP per byte; the line is the chip's fastest format and its main memory."
)


def write_pages(folder: Path, pages: Pages, pictures: bool = False) -> None:
    """Write everything but results.parquet, each file whole; report.html last."""
    summary = pages.summary
    write_text(folder / "study.json", json.dumps(summary.study.model_dump(mode="json", by_alias=False), indent=1))
    for name, table in (("frontier", summary.frontier), ("best", summary.best)):
        write_text(folder / f"{name}.csv", csv_text(table))
    write_page(folder, "report.html", page_of(pages), pictures)


def csv_text(table: ResultTable | None) -> str:
    """A table as CSV; only a header comment where there is no row."""
    if table is None or not len(table):
        return "# no plan meets the targets\n"
    return str(table.to_pandas().to_csv(index=False, float_format="%.6g"))


def page_of(pages: Pages) -> Page:
    """The page from top to bottom: the answer, the figures, what it rests on."""
    summary, study = pages.summary, pages.summary.study
    told = answer(summary)
    rows = smallest_first(list(summary.best.rows()), study.objective.rank_by) if summary.best is not None else []
    blocks: list[Block] = [tiles(summary), plans(summary, rows), *tables(summary, rows), *breakdown(pages.picks)]
    blocks += [*ranking(summary, rows), *rooflines(pages), *basis(pages)]
    title = str(study.title or study.name)
    return Page("sweep", title, told[0], [*told[1:], question(pages)], blocks, is_no=summary.best is None)


def question(pages: Pages) -> str:
    """The study in one sentence."""
    study, demand = pages.summary.study, pages.base.demand
    targets = [
        f"{n} <= {v * 1e3:g} ms" for n, v in (("TTFT", study.targets.ttft_s), ("TPOT", study.targets.tpot_s)) if v
    ]
    aim = f", {' and '.join(targets)} at the {study.targets.quantile:g} quantile of the input length" if targets else ""
    lengths = f"{demand.input.mean_tokens:.0f} input and {demand.output.mean_tokens:.0f} output tokens on average"
    who = f"{pages.base.model.name}, traffic {demand.name} ({lengths}){aim}"
    return f"Asked: {who}. Numbers: {study.stack}, steady state."


def answer(summary: Any) -> list[str]:
    """The best plan and the next best, or that there is none."""
    if summary.best is None:
        if summary.nearest is None:
            return ["No plan fits in memory: more chips or a smaller format are needed."]
        near = summary.nearest.row(0)
        return [f"No plan meets the targets. Nearest: {plan_label(near)}, {times(near)}."]
    name = summary.study.objective.rank_by
    best, *others = smallest_first(list(summary.best.rows()), name)
    told = [f"Take {plan_label(best)}: {figure(best, name)}, {times(best)}."]
    if others:
        ratio = others[0].values[name] / best.values[name] if best.values[name] else float("nan")
        told.append(
            f"Runner-up: {plan_label(others[0])}, {figure(others[0], name)} ({ratio:.2f} x), {times(others[0])}."
        )
    return told


def figure(row: Result, name: str) -> str:
    """What is ranked by, with its unit."""
    title, factor = TITLES[name]
    return f"{title} {row.values[name] * factor:.4g}"


def times(row: Result) -> str:
    """Latencies of a plan."""
    return f"TTFT {seconds(row.values.get('ttft_s'))}, TPOT {seconds(row.values.get('tpot_s'))}"


def tiles(summary: Any) -> Tiles:
    return Tiles(
        [
            (f"{summary.evaluated:,}", "plans evaluated"),
            (f"{summary.feasible:,}", "fit in memory"),
            (f"{summary.on_target:,}", "meet the targets"),
            (f"{len(summary.frontier) if summary.frontier else 0}", "on the frontier"),
        ]
    )


def plans(summary: Any, rows: list[Result]) -> Points:
    """A sample of all plans that fit, with every plan on a frontier and the best of each system."""
    cloud = list(summary.sample)
    kept = [*summary.frontiers.values(), *(one for one in (summary.best, summary.nearest) if one is not None)]
    tables = [*cloud, *kept]
    if not tables:
        return plan_points(ResultTable({"system": np.zeros(0, object), "tpot_s": np.zeros(0)}), np.zeros(0), {}, {})
    good = np.concatenate([meets(one, summary.study) for one in tables])
    shared = set.intersection(*(set(one.columns) for one in tables))
    found = concatenate([ResultTable({n: c for n, c in one.columns.items() if n in shared}) for one in tables])
    first = len(found) - sum(len(one) for one in kept)
    shown = thinned(len(found), np.arange(first, len(found)))
    shown = shown[np.unique([plan_key(found.row(at)) for at in shown], return_index=True)[1]]
    names = zip(rows, ("recommended", "runner-up"), strict=False)
    marks = {plan_key(Result({n: v for n, v in row.values.items() if n in shared})): word for row, word in names}
    targets = summary.study.targets
    bounds = {"ttft_s": targets.ttft_s, "tpot_s": targets.tpot_s}
    return plan_points(found.where(shown), good[shown], marks, bounds)


def ranking(summary: Any, rows: list[Result]) -> list[Ranges]:
    """The best plan of each system and format, side by side."""
    if not rows:
        return []
    name = summary.study.objective.rank_by
    title, factor = TITLES[name]
    shown = [(f"{row.system} {row.weights}", row.values[name] * factor, None, None, str(row.system)) for row in rows]
    return [Ranges(f"Best plan of each system, by {title}", shown, Axis(title))]


def tables(summary: Any, rows: list[Result]) -> list[Table]:
    """The ranked table, or what comes nearest."""
    stack, title = summary.study.stack, TITLES[summary.study.objective.rank_by][0]
    if summary.best is not None:
        by_count = list(summary.best.rows())
        by_count.sort(key=lambda row: (row.chips, row.values[summary.study.objective.rank_by]))
        found = [(f"Best plan of each system and weight format, by {title}", rows, False)]
        found.append(("The same at every chip count", by_count, True))
    elif summary.nearest is not None:
        found = [("Nearest to the targets", list(summary.nearest.rows()), False)]
    else:
        return []
    return [
        Table(name, *ranked(shown, stack), left=LEFT, keys=[plan_key(row) for row in shown], is_folded=folded)
        for name, shown, folded in found
    ]


def rooflines(pages: Pages) -> list[Points]:
    """Operations of the best plans against what their chips can do."""
    columns: dict[str, list[Any]] = {n: [] for n in ("operation", "system", "phase", "kind", "x", "y", "ms")}
    curves = []
    for name, result in pages.picks.items():
        chip = pages.systems[name].chip
        peak = max(chip.compute[chip.main_unit].peak_flop_per_s.values())
        rate = chip.memory[chip.main_tier].read_bytes_per_s
        along = np.array([0.1, peak / rate, max(2e4, 2.0 * peak / rate)])
        curves.append((name, along.tolist(), (np.minimum(peak, rate * along) / 1e12).tolist()))
        for op in result.operations:
            if op.flop > 0 and op.moved_bytes > 0 and op.time_s > 0:
                place = (op.flop / op.moved_bytes, op.flop / op.time_s / 1e12, 1e3 * op.time_s)
                row = (op.name, name, op.phase, category(op.name), *place)
                for column, value in zip(columns.values(), row, strict=True):
                    column.append(value)
    if not curves:
        return []
    named = {"x": "FLOP per byte", "y": "TFLOP/s"}
    data = {named.get(key, key): values for key, values in columns.items()}
    axes = {"FLOP per byte": Axis("FLOP per byte", True), "TFLOP/s": Axis("TFLOP/s", True), "ms": Axis("ms", True)}
    return [
        Points(
            "Rooflines",
            data,
            axes,
            x=named["x"],
            y=named["y"],
            colour="system",
            filters=("phase", "kind"),
            curves=curves,
            caption=ROOFLINES,
        )
    ]


def basis(pages: Pages) -> list[Notes]:
    """Notes, assumptions and sources behind the numbers."""
    summary, economics = pages.summary, pages.base.economics
    stack = summary.study.stack
    cost = (
        f"Cost basis: {economics.basis}; electricity {economics.electricity_usd_per_kwh:g} USD/kWh, "
        f"PUE {economics.pue_ratio:g}, lifetime {economics.lifetime_s / 31557600:g} years."
    )
    first = STACK_NOTES.get(stack, f"Calibrated for the software stack {stack}.")
    parts = [Notes("What this rests on", [first, *summary.notes, cost], is_open=True)]
    if summary.assumptions:
        lines = [f"{where}: {text}" for where, text in sorted(summary.assumptions.items())]
        parts.append(Notes(f"Assumed numbers ({len(lines)})", lines))
    return parts


STACK_NOTES = {
    "datasheet": "Uncalibrated: stack datasheet predicts from the data sheet and efficiencies learnt on other chips.",
}
