"""The page of `compare`: what differed, what moved, and the latencies of every side over each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from planners.comparing.words import HEADER, in_words, row, text
from reports.output import output_folder
from reports.page import Axis, Lines, Notes, Page, Ranges, Table, write_page
from reports.serving import curve

NAMES = ("compare.html",)
SHOWN = (("ttft_s", "TTFT"), ("tpot_s", "TPOT"), ("e2e_s", "whole answer"))
RATIOS = (
    ("throughput_per_chip_tokens_per_s", "tokens/s per chip"),
    ("goodput_requests_per_s", "goodput"),
    ("attainment_ratio", "within the bounds"),
    ("ttft_p50_s", "TTFT median"),
    ("ttft_p99_s", "TTFT p99"),
    ("tpot_p50_s", "TPOT median"),
    ("tpot_p99_s", "TPOT p99"),
    ("usd_per_million_tokens", "USD per token"),
    ("energy_j_per_token", "J per token"),
    ("chip_power_w", "W per chip"),
    ("step_time_s", "training step"),
    ("mfu_ratio", "MFU"),
)
MOST_TOLD = 3
"""moves in the answer; all of them follow"""
CAPTION = "Every side over the first, of figures that both have; 1 is no change."


def write_compare(out: Path, found: Sequence[Any], pictures: bool = False) -> None:
    """`compare.html`."""
    with output_folder(out, "compare", NAMES) as folder:
        write_page(folder, "compare.html", page_of(found), pictures)


def page_of(found: Sequence[Any]) -> Page:
    """The page from top to bottom."""
    sides = [found[0].base, *(one.other for one in found)]
    lines = [line for one in found for line in in_words(one)]
    title = f"{found[0].base.name} against {', '.join(one.other.name for one in found)}"
    blocks: list[Any] = [*ratios(found), *latencies(sides)]
    for one in found:
        inputs = [[each.key, text(each.before), text(each.after)] for each in one.differences]
        if inputs:
            header = ["input", "before", "after"]
            blocks.append(Table(f"Inputs of {one.other.name}", header, inputs, left=header))
        rows = [row(move) for move in one.moves]
        blocks.append(Table(f"All figures of {one.other.name}", list(HEADER), rows, HEADER[:1], is_folded=True))
    notes = list(dict.fromkeys(f"{side.name}: {note}" for side in sides for note in side.notes))
    if notes:
        blocks.append(Notes("Notes", notes))
    first = next((line for line in lines if line.startswith(("Moved", "No main"))), lines[0])
    moved = first.rstrip(".").split("; ")
    answer = first if len(moved) <= MOST_TOLD else f"{'; '.join(moved[:MOST_TOLD])}."
    return Page("compare", title, answer, [line for line in lines if line != answer], blocks)


def latencies(sides: Sequence[Any]) -> list[Lines]:
    """Distributions of every side that has requests."""
    drawn = []
    for key, name in SHOWN:
        series = [
            (side.name, *curve(np.asarray(side.samples[key]))) for side in sides if len(side.samples.get(key, ()))
        ]
        if series:
            drawn.append(Lines(name, series, Axis("seconds", True), Axis("share of requests below")))
    return drawn


def ratios(found: Sequence[Any]) -> list[Ranges]:
    """Figures of every side over the first, on a log axis."""
    rows = [
        (name, ratio, None, None, one.other.name)
        for key, name in RATIOS
        for one in found
        if (ratio := at(one, key)) is not None
    ]
    axis = Axis(f"over {found[0].base.name}", True)
    return [Ranges("What moved", rows, axis, 1.0, CAPTION)] if rows else []


def at(one: Any, key: str) -> float | None:
    """The ratio of a figure; None where there is none that a log axis can show."""
    found = next((move.ratio for move in one.moves if move.name == key), None)
    return found if found is not None and 0.0 < found < float("inf") else None
