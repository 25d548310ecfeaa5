"""What a page is made of: an answer in a sentence, then blocks of data. How they look is the template's and the
script's; a kind of run gives blocks and no markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

Cell = str | tuple[str, float]
"""what a table shows, with the number that it is sorted by where the text alone would not sort"""


@dataclass(frozen=True)
class Axis:
    """A number that a figure can have on an axis: what it is called, with its unit, and how it is spread."""

    label: str
    log: bool = False
    is_more_better: bool | None = None
    """None where it is neither better nor worse"""


@dataclass(frozen=True)
class Tiles:
    """(value, what it is) boxes."""

    kind: ClassVar[str] = "tiles"
    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Links:
    """(what it is called, address below the page's own, more words); only our own addresses, never those of data."""

    kind: ClassVar[str] = "links"
    title: str
    items: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Actions:
    """Buttons that send a form to an address of our own server: (value of `do`, what the button says)."""

    kind: ClassVar[str] = "actions"
    title: str
    address: str
    token: str
    """what only this server's own pages know"""
    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table that is sorted by a click on a column and narrowed by words."""

    kind: ClassVar[str] = "table"
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    left: Sequence[str] = ()
    """columns of words"""
    keys: Sequence[str] = ()
    """of the rows, as the `key` column of a `Points` block has them: a click on a point shows its row"""
    is_folded: bool = False


@dataclass(frozen=True)
class Notes:
    """Lines that are folded away, open on paper."""

    kind: ClassVar[str] = "notes"
    title: str
    lines: Sequence[str]
    is_open: bool = False


@dataclass(frozen=True)
class Points:
    """One dot per plan on two axes of the reader's choice.

    `columns`: name -> one entry per dot. A column NAME_low with NAME_high is an interval of NAME, drawn as a bar.
    `rules` are bounds, drawn where their column is on an axis. `marks` names a column whose words are written at their
    dots.
    """

    kind: ClassVar[str] = "points"
    title: str
    columns: Mapping[str, Sequence[Any]]
    axes: Mapping[str, Axis]
    x: str
    y: str
    colour: str = ""
    marks: str = ""
    good: str = ""
    """column that is true for dots within all bounds, drawn darker. Where more or less of both axes is better, lines
    join those of a colour that no other of it beats"""
    filters: Sequence[str] = ()
    rules: Mapping[str, float] = field(default_factory=dict)
    curves: Sequence[tuple[str, Sequence[float], Sequence[float]]] = ()
    """(a word of `colour`, x, y) of lines on the first two axes"""
    caption: str = ""


@dataclass(frozen=True)
class Parallel:
    """A line per plan across parallel axes, one for each of `names`; numbers spread as their `axes` say, words apart.

    `columns` as in `Points`, which shares its clicks; `front` names a column that is true for lines drawn darker.
    """

    kind: ClassVar[str] = "parallel"
    title: str
    columns: Mapping[str, Sequence[Any]]
    axes: Mapping[str, Axis]
    names: Sequence[str]
    colour: str
    """of `names`, a number: by which lines are coloured first"""
    front: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Lines:
    """Curves over one x axis. `across` and `along` are rules: (value, what it is) on the y and on the x axis."""

    kind: ClassVar[str] = "lines"
    title: str
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]]
    """(name, x, y)"""
    x: Axis
    y: Axis
    is_step: bool = False
    across: Sequence[tuple[float, str]] = ()
    along: Sequence[tuple[float, str]] = ()
    caption: str = ""


@dataclass(frozen=True)
class Bars:
    """A bar per row, of parts that add up; `limits` are (row, value) marks."""

    kind: ClassVar[str] = "bars"
    title: str
    rows: Sequence[tuple[str, Mapping[str, float]]]
    unit: str
    limits: Sequence[tuple[str, float]] = ()
    is_beside: bool = False
    """parts lie beside each other from zero to both sides, as in a tornado, and do not add up"""
    caption: str = ""


@dataclass(frozen=True)
class Ranges:
    """A dot with its interval per row: (row, value, low, high, colour); `rule` is a value to compare with."""

    kind: ClassVar[str] = "ranges"
    title: str
    rows: Sequence[tuple[str, float, float | None, float | None, str]]
    axis: Axis
    rule: float | None = None
    caption: str = ""


@dataclass(frozen=True)
class Heat:
    """A grid of cells: [rows of y][columns of x]."""

    kind: ClassVar[str] = "heat"
    title: str
    x: Sequence[str]
    y: Sequence[str]
    cells: Sequence[Sequence[float]]
    texts: Sequence[Sequence[str]] = ()
    x_label: str = ""
    y_label: str = ""
    middle: float | None = None
    """of colours to both sides; None: from light to dark"""
    caption: str = ""


@dataclass(frozen=True)
class Spans:
    """What happens when on each track: (track, what, begin, end)."""

    kind: ClassVar[str] = "spans"
    title: str
    rows: Sequence[tuple[str, str, float, float]]
    unit: str
    caption: str = ""


Block = Tiles | Links | Actions | Table | Notes | Points | Parallel | Lines | Bars | Ranges | Heat | Spans
FIGURES = (Points, Parallel, Lines, Bars, Ranges, Heat, Spans)


@dataclass(frozen=True)
class Page:
    """A run as a page: its kind (the command), what was asked, the answer in a sentence, more of it, and blocks."""

    kind: str
    title: str
    answer: str
    lines: Sequence[str] = ()
    blocks: Sequence[Block] = ()
    is_no: bool = False
    """the answer is that nothing fits or meets what was asked"""
    reload_s: int = 0
    """seconds after which a browser asks for the page again; 0: never"""
