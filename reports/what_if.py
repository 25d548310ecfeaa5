"""The page of `what-if`: a tornado, and a heat map where two numbers were asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from planners.whatif.words import header, row, told
from reports.output import output_folder
from reports.page import Bars, Heat, Page, Table, write_page

NAMES = ("what-if.html",)
MOST_BARS = 20
CAPTION = "The figure over itself as asked, each number alone times the low and the high factor; * is assumed."
MAPPED = "The figure over itself as asked, both numbers times factors; blank: no answer."


def write_what_if(out: Path, answer: dict[str, Any], bars: Sequence[Any], found: Any, pictures: bool = False) -> None:
    """`what-if.html`."""
    with output_folder(out, "what-if", NAMES) as folder:
        write_page(folder, "what-if.html", page_of(answer, bars, found), pictures)


def page_of(answer: dict[str, Any], bars: Sequence[Any], found: Any) -> Page:
    """The page from top to bottom."""
    metric, (low, high) = answer["metric"], answer["factors"]
    *words, first = answer["words"]
    shown = [bar for bar in bars if not math.isinf(bar.swing_ratio)][:MOST_BARS]
    blocks: list[Any] = [tornado(metric, shown, (low, high))] if shown else []
    if found is not None:
        blocks.append(heat(found, metric))
    rows = [row(metric, bar) for bar in bars]
    blocks.append(Table("Every number that moves it", list(header((low, high))), rows, ("number", "now", "")))
    return Page("what-if", f"What moves {metric}?", first, words, blocks)


def tornado(metric: str, bars: Sequence[Any], factors: tuple[float, float]) -> Bars:
    """A bar to each side per number, the widest on top."""
    rows = []
    for bar in bars:
        parts = {
            f"{factor:.3g} x": 100.0 * (getattr(bar, name) / bar.base - 1.0)
            for name, factor in zip(("low", "high"), factors, strict=True)
        }
        rows.append((bar.key.removeprefix("hardware.") + (" *" if bar.number.assumed else ""), parts))
    return Bars(f"Change of {metric}", rows, "change, %", is_beside=True, caption=CAPTION)


def heat(found: Any, metric: str) -> Heat:
    """A grid of both factors, the figure in every cell."""
    base = found.figure[found.factors.index(1.0), found.factors.index(1.0)]
    names = [f"{factor:g} x" for factor in found.factors]
    figures = found.figure.T
    texts = [["" if math.isnan(value) else told(metric, value) for value in line] for line in figures]
    return Heat(
        "Two numbers together",
        names,
        names,
        np.log(figures / base).tolist(),
        texts,
        found.keys[0],
        found.keys[1],
        middle=0.0,
        caption=MAPPED,
    )
