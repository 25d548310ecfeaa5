"""Every number of the hardware less and more: how far each moves a figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from planners.whatif.question import Number, WhatIf, numbers_of, scaled
from simcore.errors import InputError, suggest

STILL = 1e-4
"""a relative change below which a number moves nothing"""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Bar:
    """A figure with one number changed; nan where the plan then has no answer."""

    key: str
    number: Number
    low: float
    """the figure with the number times the low factor"""
    high: float
    base: float

    @property
    def swing_ratio(self) -> float:
        """The larger move over the figure as asked; infinite where the plan then has no answer."""
        if math.isnan(self.low) or math.isnan(self.high):
            return math.inf
        return max(abs(self.low - self.base), abs(self.high - self.base)) / abs(self.base) if self.base else 0.0


def tornado(
    asked: WhatIf,
    factors: tuple[float, float] = (0.5, 2.0),
    keys: Iterable[str] | None = None,
    progress: Progress = lambda done, total: None,
) -> list[Bar]:
    """One number at a time, the widest first; those that move nothing are left out. Raises InputError.

    One at a time: what two numbers do together is not in it (`heat_map`). A value that a spec refuses, such as an idle
    power above the most, counts as no answer.
    """
    known, base = numbers_of(asked.system), asked.now()
    chosen = list(known) if keys is None else list(keys)
    bars = []
    for number, key in enumerate(chosen):
        if key not in known:
            raise InputError("is no number of this hardware", key=key, fix=suggest(key, known))
        low, high = (asked.allowed(scaled_to({key: (known[key].value, factor)})) for factor in factors)
        bars.append(Bar(key, known[key], low, high, base))
        progress(number + 1, len(chosen))
    moving = [bar for bar in bars if bar.swing_ratio > STILL]
    return sorted(moving, key=lambda bar: -bar.swing_ratio)


def scaled_to(changes: Mapping[str, tuple[float, float]]) -> dict[str, float | int]:
    """Keys of numbers (value, factor) times their factors; those that stay are left out."""
    return {key: scaled(value, factor) for key, (value, factor) in changes.items() if factor != 1.0}
