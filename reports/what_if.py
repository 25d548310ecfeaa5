"""The page of `what-if`: a tornado, and a heat map where two numbers were asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from planners.whatif.words import header, row, told
from reports import html
from reports.files import write_text
from reports.output import output_folder
from reports.style import PALETTE, figure, save

NAMES = ("what-if.html",)
MOST_BARS = 20
CAPTION = "The figure over itself as asked, each number alone times the low (left colour) and the high factor."
MAPPED = "The figure over itself as asked, both numbers times factors; blank: no answer."


def write_what_if(out: Path, answer: dict[str, Any], bars: Sequence[Any], found: Any) -> None:
    """`what-if.html`, with its figures as PNG and SVG."""
    metric, (low, high) = answer["metric"], answer["factors"]
    with output_folder(out, "what-if", NAMES) as folder:
        parts = [html.heading(f"What moves {metric}?", 1), *map(html.paragraph, answer["words"])]
        shown = [bar for bar in bars if not math.isinf(bar.swing_ratio)][:MOST_BARS]
        if shown:
            parts.append(html.figure(save(tornado(shown, (low, high)), folder, "tornado"), CAPTION))
        if found is not None:
            picture = save(heat(found, metric), folder, "map")
            parts += [html.heading("Two numbers together"), html.figure(picture, MAPPED)]
        rows = [row(metric, bar) for bar in bars]
        parts.append(html.heading("Every number that moves it"))
        parts.append(html.table(header((low, high)), rows, ("number", "now", "")))
        write_text(folder / "what-if.html", html.page(f"What moves {metric}?", parts))


def tornado(bars: Sequence[Any], factors: tuple[float, float]) -> Any:
    """A bar to each side per number, the widest on top."""
    fig, axes = figure(9.5, 1.2 + 0.3 * len(bars))
    ax = axes[0][0]
    for colour, name, factor in zip(PALETTE, ("low", "high"), factors, strict=False):
        moved = [100.0 * (getattr(bar, name) / bar.base - 1.0) for bar in bars]
        ax.barh(range(len(bars)), moved, color=colour, height=0.6, label=f"{factor:.3g} x")
    ax.axvline(0.0, color="#1d2733", linewidth=1)
    ax.set(xlabel="change, %", yticks=range(len(bars)))
    ax.set_yticklabels([bar.key.removeprefix("hardware.") + (" *" if bar.number.assumed else "") for bar in bars])
    ax.invert_yaxis()
    ax.legend(frameon=False, fontsize=8.5, loc="lower right")
    return fig


def heat(found: Any, metric: str) -> Any:
    """A grid of both factors, the figure in every cell."""
    fig, axes = figure(7.5, 5.5)
    ax = axes[0][0]
    base = found.figure[found.factors.index(1.0), found.factors.index(1.0)]
    moved = np.log(found.figure.T / base)
    most = max(float(np.nanmax(np.abs(moved))), 1e-9)
    ax.imshow(moved, cmap="RdBu_r", vmin=-most, vmax=most, alpha=0.6, origin="lower", aspect="auto")
    for i, j in np.ndindex(found.figure.shape):
        value = found.figure[i, j]
        ax.text(i, j, "" if math.isnan(value) else told(metric, value), ha="center", va="center", fontsize=8)
    names = [f"{factor:g} x" for factor in found.factors]
    ax.set(xticks=range(len(names)), yticks=range(len(names)), xlabel=found.keys[0], ylabel=found.keys[1])
    ax.set_xticklabels(names)
    ax.set_yticklabels(names)
    ax.grid(False)
    return fig
