"""The page of `size`: the answer first, then what it was chosen from and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from planners.sizing.words import HEADER, degrees, in_words, money, row
from reports.page import Axis, Lines, Notes, Page, Points, Ranges, Table, Tiles, write_page
from reports.plans import breakdown, plan_key, plan_points, thinned
from reports.serving import basis
from simcore.unit_text import seconds

MEASURES = (("ttft", "TTFT"), ("tpot", "TPOT"))
SHARES = np.linspace(0.0, 1.0, 101)
QUANTILES = (("p50", "median"), ("p90", "p90"), ("p99", "p99"))


def write_size(folder: Path, found: Any, pictures: bool = False) -> None:
    """`size.html`."""
    write_page(folder, "size.html", page_of(found), pictures)


def title(found: Any) -> str:
    """What was asked."""
    asked = found.question
    return f"{asked.model}: TTFT within {asked.ttft}, TPOT within {asked.tpot}"


def page_of(found: Any) -> Page:
    """The page from top to bottom."""
    first, *lines = in_words(found)
    blocks: list[Any] = [] if found.best is None else [tiles(found)]
    blocks.append(plans(found))
    chosen = [one for one in (found.best, found.runner_up, found.nearest_miss) if one is not None]
    blocks += [between(found, chosen, name, label) for name, label in MEASURES if chosen]
    blocks += cumulated(found, chosen)
    rows = [row(found, one) for one in found.candidates]
    keys = [plan_key(found.grid.table.row(one.row)) for one in found.candidates]
    blocks.append(Table("Replayed request by request", list(HEADER), rows, left=(HEADER[0], "verdict"), keys=keys))
    blocks += breakdown(dict(zip(map(degrees, chosen), found.estimates(chosen), strict=True)))
    rest = found.best or found.nearest_miss
    notes = [note for note in found.notes if rest is None or note not in rest.answer.get("notes", ())]
    if notes:
        blocks.append(Notes("How it was asked", notes, is_open=True))
    return Page(
        "size",
        title(found),
        first,
        lines,
        [*blocks, *(basis({**rest.answer, "intervals": rest.intervals}, found.assumed(rest)) if rest else [])],
        found.best is None,
    )


def tiles(found: Any) -> Tiles:
    """The figures of the recommendation."""
    best, answer = found.best, found.best.answer
    watts = answer.get("server_power_w")
    return Tiles(
        [
            (degrees(best), "plan"),
            (f"{best.chips}", "chips"),
            (money(best.usd_per_hour), "USD per hour"),
            (seconds(answer.get("ttft_p50_s")), "TTFT median"),
            (seconds(answer.get("tpot_p50_s")), "TPOT median"),
            (f"{best.tokens_per_chip_s:.0f}", "tokens/s per chip"),
            ("-" if watts is None else f"{watts:.0f} W", "servers, each chip's share"),
        ]
    )


def plans(found: Any) -> Points:
    """Every plan and load of the analytic engine that fits, those that were replayed named."""
    grid = found.grid
    kept = np.flatnonzero(grid.table.feasible)
    near = np.flatnonzero(grid.within()[kept])
    kept = kept[thinned(len(kept), near[:: max(1, len(near) // 800)])]
    rows = {rank: one.row for rank, one in named(found)}
    kept = np.unique([*kept, *rows.values()]).astype(int)
    marks = {plan_key(grid.table.row(at)): rank for rank, at in rows.items()}
    bounds = {"ttft_s": grid.ttft_s, "tpot_s": grid.tpot_s}
    return plan_points(grid.table.where(kept), grid.within()[kept], marks, bounds)


def named(found: Any) -> list[tuple[str, Any]]:
    """(what it is, candidate) of those that the answer tells of."""
    pairs = (("recommended", found.best), ("runner-up", found.runner_up), ("nearest miss", found.nearest_miss))
    return [(word, one) for word, one in pairs if one is not None]


def cumulated(found: Any, chosen: list[Any]) -> list[Lines]:
    """The share of requests within each TTFT and each TPOT, served once more; dashed: bound and share asked for."""
    served = [(degrees(one), found.latencies(one)) for one in chosen]
    figures = []
    for name, label in MEASURES:
        limit = found.grid.ttft_s if name == "ttft" else found.grid.tpot_s
        series = []
        for words, latencies in served:
            known = finite(latencies, f"{name}_s")
            if len(known):
                series.append((words, list(1e3 * np.quantile(known, SHARES)), list(100.0 * SHARES)))
        wide = Axis(f"{label} of a request, ms", True)
        asked = 100.0 * found.question.attainment
        rules = () if found.question.means else ((asked, ""),)
        along = [(1e3 * limit, "")]
        axis = Axis("requests within it, %")
        caption = "Every request of the replay; dashed: the bound and the share that must keep it."
        figures.append(
            Lines(f"{label} of all requests", series, wide, axis, across=rules, along=along, caption=caption)
        )
    return figures


def finite(latencies: Mapping[str, Any], name: str) -> Any:
    """Those of the requests that have one."""
    values = np.asarray(latencies.get(name, ()), float)
    return values[np.isfinite(values)]


def between(found: Any, chosen: list[Any], name: str, label: str) -> Ranges:
    """Quantiles of the replays side by side, the mean with the interval that such predictions keep."""
    rows = []
    for one in chosen:
        ends = one.intervals.get(f"{name}_mean_s") or (None, None)
        told = [("mean", "mean", ends), *((key, word, (None, None)) for key, word in QUANTILES)]
        for key, word, (low, high) in told:
            value = one.answer.get(f"{name}_{key}_s")
            if value is not None:
                between_ms = (None, None) if low is None or high is None else (1e3 * low, 1e3 * high)
                rows.append((f"{degrees(one)}: {word}", 1e3 * value, *between_ms, degrees(one)))
    limit = found.grid.ttft_s if name == "ttft" else found.grid.tpot_s
    caption = "Replayed; dashed: the bound. The bar of a mean: four of five lay within, of both means."
    return Ranges(
        f"{label}: recommended, runner-up, nearest miss", rows, Axis(f"{label}, ms", True), 1e3 * limit, caption
    )
