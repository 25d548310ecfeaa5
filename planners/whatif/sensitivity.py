"""Which assumption moves an answer most, and how often one deployment beats another when all are uncertain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planners.whatif.numbers import parts_of
from planners.whatif.question import WhatIf, numbers_of, scaled
from planners.whatif.tornado import Bar, Progress, tornado
from scenarios.answer import is_more_better

QUANTILE_90 = 1.2815515655446004
"""of a normal variable: the ends of an 80 % interval"""


def swings(asked: WhatIf, factor: float = 1.5, progress: Progress = lambda done, total: None) -> list[Bar]:
    """Every assumed number of the hardware over and times a factor, the widest first. Raises InputError."""
    assumed = [key for key, number in numbers_of(asked.system).items() if number.assumed]
    return tornado(asked, (1.0 / factor, factor), assumed, progress) if assumed else []


@dataclass(frozen=True)
class Draws:
    """A figure of two deployments under the same draws; nan where a plan then has no answer."""

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    more_is_better: bool
    told: tuple[bool, bool]
    """whether each side's answer has an interval of its own"""

    @property
    def beats_ratio(self) -> float:
        """Share of draws in which the first is better; a side without an answer loses, both without count half."""
        sign = -1.0 if self.more_is_better else 1.0
        one, two = (np.where(np.isnan(side), np.inf, sign * side) for side in (self.first, self.second))
        return float(np.mean((one < two) + 0.5 * (one == two)))


def beats(
    first: WhatIf,
    second: WhatIf,
    draws: int = 100,
    factor: float = 1.5,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> Draws:
    """Draw assumed numbers and the models' errors, and ask both. Raises InputError.

    An assumed number is log-uniform between itself over and times `factor`, the same draw for both where both have it.
    A figure with an 80 % interval is multiplied by a log-normal error of that interval, drawn for each side on its own:
    errors that both share make the share nearer to 0 or 1 than is told. Without an interval only assumptions are drawn.
    """
    sides = (first, second)
    known = [{key: n.value for key, n in numbers_of(one.system).items() if n.assumed} for one in sides]
    names = [{label(one, key): key for key in mine} for one, mine in zip(sides, known, strict=True)]
    labels = list(dict.fromkeys((*names[0], *names[1])))
    for one in sides:
        one.now()
    draw = np.random.default_rng(seed)
    found = np.full((2, draws), np.nan)
    bands = [band(one) for one in sides]
    for number in range(draws):
        factors = dict(zip(labels, factor ** draw.uniform(-1.0, 1.0, len(labels)), strict=True))
        errors = draw.standard_normal(2)
        for at, one in enumerate(sides):
            changes = {key: scaled(known[at][key], factors[name]) for name, key in names[at].items()}
            found[at, number] = one.allowed(changes) * error_of(bands[at], errors[at])
        progress(number + 1, draws)
    told = (bands[0] is not None, bands[1] is not None)
    return Draws(found[0], found[1], is_more_better(first.metric) is True, told)


def label(asked: WhatIf, key: str) -> str:
    """A number's place and the spec that it is of: two sides on the same chip share its assumptions."""
    spec = parts_of(asked.system)[key.split(".")[1]]
    return f"{spec.name if spec is not None else ''} {key}"


def band(asked: WhatIf) -> tuple[float, float] | None:
    """(low, high) of measured over predicted; None where no interval is told of the figure."""
    side = asked.side({})
    low_high = side.intervals.get(asked.metric)
    value = side.figures.get(asked.metric)
    if not low_high or not value or min(low_high) <= 0.0:
        return None
    return low_high[0] / value, low_high[1] / value


def error_of(found: tuple[float, float] | None, standard: float) -> float:
    """A log-normal error whose 80 % interval is a band's."""
    if found is None:
        return 1.0
    low, high = (math.log(end) for end in found)
    return math.exp((low + high) / 2.0 + standard * (high - low) / (2.0 * QUANTILE_90))
