"""Labels beside points that do not cover each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

DIRECTIONS = ((-1, -1), (1, 1), (1, -1), (-1, 1), (0, -1.3), (0, 1.3))
OFFSETS = [(dx * r, dy * r) for r in (9, 20, 34, 50, 70) for dx, dy in DIRECTIONS]


def place(ax: Any, points: Sequence[tuple[float, float]], texts: Sequence[str], size: float = 8.5) -> list[Any]:
    """Annotate points of an axes, each at the nearest spot where it covers no label placed before and no point.

    A label for which no spot is free is left out: its point stays, the table has the numbers. Returns the annotations.
    """
    figure = ax.figure
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    frame = ax.get_window_extent(renderer)
    marks = [ax.transData.transform(p) for p in points]
    taken: list[Any] = []
    placed = []
    for point, text in zip(points, texts, strict=True):
        note = _try(ax, renderer, frame, (point, text, size), (marks, taken))
        if note is not None:
            placed.append(note)
    return placed


def _try(ax: Any, renderer: Any, frame: Any, what: Any, crowd: Any) -> Any:
    point, text, size = what
    marks, taken = crowd
    for dx, dy in OFFSETS:
        note = ax.annotate(
            text,
            point,
            xytext=(dx, dy),
            textcoords="offset points",
            fontsize=size,
            ha="left" if dx > 0 else "right" if dx < 0 else "center",
            va="bottom" if dy > 0 else "top",
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
            arrowprops={"arrowstyle": "-", "color": "#8a94a0", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3},
        )
        box = _text_only(note, renderer)
        inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
        free = not any(box.overlaps(other) for other in taken)
        clear = not any(box.contains(*mark) for mark in marks)
        if inside and free and clear:
            taken.append(box)
            return note
        note.remove()
    return None


def _text_only(note: Any, renderer: Any) -> Any:
    """The box of the text without its leader line."""
    from matplotlib.text import Text

    note.update_positions(renderer)
    return Text.get_window_extent(note, renderer).padded(2.0)
