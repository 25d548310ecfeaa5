"""The figures of a page for papers: every block as PNG, SVG and CSV, drawn by matplotlib from the page's own data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reports.files import write_text
from reports.page.blocks import FIGURES, Axis, Bars, Heat, Lines, Page, Parallel, Points, Ranges, Spans
from reports.style import INK, PALETTE, figure, plain_numbers, save

MOST_NAMED = 20
"""series in a key"""


def write_pictures(folder: Path, page: Page) -> None:
    """NAME.png, NAME.svg and NAME.csv of every figure, named after its title."""
    for block in page.blocks:
        if isinstance(block, FIGURES):
            name = name_of(block.title)
            save(drawn(block), folder, name)
            header, rows = rows_of(block)
            write_text(folder / f"{name}.csv", csv_text(header, rows))


def name_of(title: str) -> str:
    """A file's name.

    >>> name_of("Where the time goes: TPOT")
    'where-the-time-goes-tpot'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "figure"


def csv_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Comma-separated text; cells with commas or quotes are quoted."""
    import csv
    import io

    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    return stream.getvalue()


def rows_of(block: Any) -> tuple[list[str], list[Sequence[Any]]]:
    """The data of a figure as a table."""
    if isinstance(block, Points | Parallel):
        return list(block.columns), list(zip(*block.columns.values(), strict=True))
    if isinstance(block, Lines):
        rows: list[Sequence[Any]] = [(name, x, y) for name, xs, ys in block.series for x, y in zip(xs, ys, strict=True)]
        return ["series", block.x.label, block.y.label], rows
    if isinstance(block, Bars):
        parts: list[Sequence[Any]] = [(row, part, v) for row, found in block.rows for part, v in found.items()]
        return ["row", "part", block.unit], parts
    if isinstance(block, Ranges):
        return ["row", block.axis.label, "low", "high", "of"], list(block.rows)
    if isinstance(block, Heat):
        cells: list[Sequence[Any]] = [
            (x, y, v) for y, line in zip(block.y, block.cells, strict=True) for x, v in zip(block.x, line, strict=True)
        ]
        return [block.x_label or "x", block.y_label or "y", "value"], cells
    return ["track", "what", "begin", "end"], list(block.rows)


def drawn(block: Any) -> Any:
    """A figure as matplotlib draws it."""
    tall = {Bars: "rows", Ranges: "rows", Spans: "rows"}.get(type(block))
    lines = len({row[0] for row in getattr(block, tall)}) if tall else 0
    fig, axes = figure(9.0, min(1.6 + 0.3 * lines, 40.0) if tall else 5.0)
    ax = axes[0, 0]
    DRAW[type(block)](ax, block)
    ax.set_title(block.title, loc="left")
    if ax.get_legend_handles_labels()[0] and len(ax.get_legend_handles_labels()[1]) <= MOST_NAMED:
        ax.legend(frameon=False, fontsize=8.5)
    return fig


def scaled(axis: Any, how: Axis) -> None:
    """A label, and a logarithmic scale where that is wanted."""
    axis.set_label_text(how.label)
    if how.log:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        plain_numbers(axis)


def colours(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(name, colour), in the order given."""
    return ((name, PALETTE[i % len(PALETTE)]) for i, name in enumerate(dict.fromkeys(names)))


def front_of(block: Points, mine: Any) -> list[int]:
    """Those of the dots within bounds that no other of `mine` beats on both axes, in the order of x."""
    ways = [block.axes[name].is_more_better for name in (block.x, block.y)]
    if None in ways:
        return []
    signs = [-1.0 if way else 1.0 for way in ways]
    good = np.array(block.columns[block.good], bool) if block.good else np.ones(len(mine), bool)
    x, y = (sign * np.array(block.columns[name], float) for sign, name in zip(signs, (block.x, block.y), strict=True))
    found: list[int] = []
    best = np.inf
    for i in sorted(np.flatnonzero(mine & good & np.isfinite(x) & np.isfinite(y)), key=lambda i: (x[i], y[i])):
        if y[i] < best:
            best = y[i]
            found.append(int(i))
    return found


def points(ax: Any, block: Points) -> None:
    """Dots, the best of each colour joined, those with a mark ringed and named."""
    x, y = (np.array(block.columns[name], float) for name in (block.x, block.y))
    words = np.array(block.columns[block.colour] if block.colour else [""] * len(x), object)
    for name, colour in colours([str(word) for word in words]):
        mine = words == name
        ax.scatter(x[mine], y[mine], s=8, color=colour, alpha=0.35, linewidths=0, label=name or None)
        front = front_of(block, mine)
        ax.plot(x[front], y[front], "o-", color=colour, markersize=3.5, linewidth=1.2)
    for _, along, up in block.curves:
        ax.plot(along, up, color=INK, linewidth=0.9)
    scaled(ax.xaxis, block.axes[block.x])
    scaled(ax.yaxis, block.axes[block.y])
    if block.marks:
        marked = [i for i, word in enumerate(block.columns[block.marks]) if word]
        ax.plot(x[marked], y[marked], "o", markersize=8, markerfacecolor="none", color=INK)
        for i in marked:
            ax.annotate(f" {block.columns[block.marks][i]}", (x[i], y[i]), fontsize=8.5)


def parallel(ax: Any, block: Parallel) -> None:
    """A line per plan across the axes, each from its least to its most, words in their order; the front darker."""
    places = []
    for number, name in enumerate(block.names):
        values = block.columns[name]
        if name in block.axes:
            found = np.array([np.nan if value in (None, "") else value for value in values], float)
            found = np.log(found) if block.axes[name].log and np.nanmin(found) > 0 else found
        else:
            words = sorted({str(value) for value in values if value != ""})
            found = np.array([words.index(str(value)) if value != "" else np.nan for value in values], float)
        low, high = np.nanmin(found), np.nanmax(found)
        places.append((found - low) / (high - low) if high > low else np.full(len(found), 0.5))
        ends = [str(v) for v in (words if name not in block.axes else ())] or [f"{v:.4g}" for v in (low, high)]
        ax.annotate(f"{ends[0]} to {ends[-1]}", (number, -0.06), ha="center", fontsize=7)
    is_front = np.array(block.columns[block.front] if block.front else np.zeros(len(places[0])), bool)
    for of, colour, alpha in ((~is_front, INK, 0.12), (is_front, PALETTE[0], 0.8)):
        ax.plot(np.arange(len(places)), np.array(places)[:, of], color=colour, alpha=alpha, linewidth=0.9)
    ax.set_xticks(range(len(block.names)), block.names, rotation=20, ha="right", fontsize=8)
    ax.set_yticks([])


def lines(ax: Any, block: Lines) -> None:
    """Curves with their rules."""
    for (name, xs, ys), colour in zip(block.series, (PALETTE * (len(block.series) // 10 + 1)), strict=False):
        ax.plot(xs, ys, color=colour, label=name, drawstyle="steps-post" if block.is_step else "default")
    for value, _ in block.along:
        ax.axvline(value, color=INK, linewidth=0.8, linestyle="--")
    for value, _ in block.across:
        ax.axhline(value, color=INK, linewidth=0.8, linestyle="--")
    scaled(ax.xaxis, block.x)
    scaled(ax.yaxis, block.y)


def bars(ax: Any, block: Bars) -> None:
    """Bars of parts."""
    names = [name for name, _ in block.rows]
    ends = np.zeros(len(names))
    for part, colour in colours([part for _, parts in block.rows for part in parts]):
        widths = np.array([float(parts.get(part) or 0.0) for _, parts in block.rows])
        ax.barh(range(len(names)), widths, left=0.0 if block.is_beside else ends, color=colour, label=part, height=0.62)
        ends = ends + widths
    for name, value in block.limits:
        ax.plot([value, value], [names.index(name) - 0.4, names.index(name) + 0.4], color=INK, linewidth=2)
    ax.set(xlabel=block.unit, yticks=range(len(names)))
    ax.set_yticklabels(names)
    ax.invert_yaxis()


def ranges(ax: Any, block: Ranges) -> None:
    """Dots with intervals."""
    names = list(dict.fromkeys(row[0] for row in block.rows))
    for group, colour in colours([row[4] for row in block.rows]):
        mine = [row for row in block.rows if row[4] == group]
        at = [names.index(row[0]) for row in mine]
        ax.plot([row[1] for row in mine], at, "o", color=colour, markersize=4, label=group or None)
        for row, place in zip(mine, at, strict=True):
            if row[2] is not None and row[3] is not None:
                ax.plot([row[2], row[3]], [place, place], color=colour, linewidth=1.6)
    if block.rule is not None:
        ax.axvline(block.rule, color=INK, linewidth=0.8, linestyle="--")
    scaled(ax.xaxis, block.axis)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()


def heat(ax: Any, block: Heat) -> None:
    """A grid of colours."""
    values = np.array([[np.nan if v is None else v for v in line] for line in block.cells], float)
    how: dict[str, Any] = {"cmap": "YlOrBr"}
    if block.middle is not None:
        most = max(float(np.nanmax(np.abs(values - block.middle))), 1e-9)
        how = {"cmap": "RdBu_r", "vmin": block.middle - most, "vmax": block.middle + most}
    ax.imshow(values, aspect="auto", origin="lower", interpolation="nearest", **how)
    for set_ticks, names in ((ax.set_xticks, block.x), (ax.set_yticks, block.y)):
        few = range(0, len(names), -(-len(names) // 16))
        set_ticks(few, [names[i] for i in few])
    ax.set(xlabel=block.x_label, ylabel=block.y_label)
    ax.grid(False)


def spans(ax: Any, block: Spans) -> None:
    """What each track does when."""
    tracks = list(dict.fromkeys(row[0] for row in block.rows))
    for what, colour in colours([row[1] for row in block.rows]):
        mine = [row for row in block.rows if row[1] == what]
        at = [tracks.index(row[0]) for row in mine]
        ax.barh(
            at, [row[3] - row[2] for row in mine], left=[row[2] for row in mine], color=colour, label=what, height=0.9
        )
    ax.set_yticks(range(len(tracks)), tracks)
    ax.set(xlabel=block.unit)
    ax.invert_yaxis()


DRAW: dict[type, Any] = {
    Points: points,
    Parallel: parallel,
    Lines: lines,
    Bars: bars,
    Ranges: ranges,
    Heat: heat,
    Spans: spans,
}
