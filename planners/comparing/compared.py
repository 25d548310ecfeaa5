"""What differs in the inputs of two sides and what moved in their answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from planners.comparing.sides import Side
from scenarios.answer import FIELDS, is_more_better
from simcore.result import frame, html_table

COUNTED = ("steps", "requests", "have_bytes")
"""what the question says rather than the answer"""
LEAST_RATIO = 0.01
"""a change below which nothing moved"""


@dataclass(frozen=True)
class Difference:
    """An input that two sides do not share; None where a side does not say it."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Move:
    """A figure of both sides."""

    name: str
    before: float
    after: float
    noise: float | None = None
    """half the width of the 95 % interval of the difference over seeds"""

    @property
    def ratio(self) -> float:
        """After over before; infinite from zero."""
        if self.before == self.after:
            return 1.0
        return self.after / self.before if self.before else math.copysign(math.inf, self.after)

    @property
    def better(self) -> bool | None:
        """Whether the move is to be wished; None where more is neither better nor worse."""
        if self.before == self.after:
            return None
        more = is_more_better(self.name)
        return None if more is None else (self.after > self.before) == more

    @property
    def matters(self) -> bool:
        """Whether it moved by a per cent or more, and not by chance alone where seeds say so."""
        by_chance = self.noise is not None and abs(self.after - self.before) <= self.noise
        return abs(self.ratio - 1.0) >= LEAST_RATIO and not by_chance


@dataclass(frozen=True)
class Compared:
    """One side against the first."""

    base: Side
    other: Side
    differences: tuple[Difference, ...]
    moves: tuple[Move, ...]

    def to_frame(self) -> Any:
        """A pandas DataFrame with a row per figure of both."""
        names = ("name", "before", "after", "ratio", "better", "matters")
        return frame({name: [getattr(move, name) for move in self.moves] for name in names})

    def _repr_html_(self) -> str:
        """What differs and what moved, for a notebook."""
        from planners.comparing.words import in_words, row

        words = "".join(f"<p>{escape(line)}</p>" for line in in_words(self))
        moved = [row(move) for move in self.moves if move.matters]
        return words + html_table("", ((name, " ".join(cells)) for name, *cells in moved))


def compare(sides: Sequence[Side]) -> tuple[Compared, ...]:
    """Every side against the first.

    Runs share their seeds, so most of their chance is common; without several seeds a difference of a few per cent can
    still be chance, of the tail more.
    """
    base = sides[0]
    return tuple(Compared(base, other, differences(base, other), moves(base, other)) for other in sides[1:])


def differences(base: Side, other: Side) -> tuple[Difference, ...]:
    """Inputs that are not the same, in the order of the files; none where a side does not tell its inputs."""
    if not (base.inputs and other.inputs):
        return ()
    keys = dict.fromkeys((*base.inputs, *other.inputs))
    pairs = ((key, base.inputs.get(key), other.inputs.get(key)) for key in keys)
    return tuple(Difference(key, before, after) for key, before, after in pairs if before != after)


def moves(base: Side, other: Side) -> tuple[Move, ...]:
    """Figures that both have, those of every verb first."""
    names = [name for name in (*FIELDS, *base.figures) if name in base.figures and name in other.figures]
    return tuple(
        Move(name, base.figures[name], other.figures[name], noise(base, other, name))
        for name in dict.fromkeys(names)
        if name not in COUNTED
    )


def noise(base: Side, other: Side, name: str) -> float | None:
    """Of the difference, as if both sides' chance were independent: seeds in common make it less."""
    if name not in base.spread or name not in other.spread:
        return None
    return math.hypot(base.spread[name], other.spread[name])
