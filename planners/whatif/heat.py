"""Two numbers together: a figure over a grid of factors of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planners.whatif.numbers import worth
from planners.whatif.question import WhatIf
from planners.whatif.tornado import Progress, scaled_to

FACTORS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)


@dataclass(frozen=True)
class HeatMap:
    """`figure[i, j]` with the first key times `factors[i]` and the second times `factors[j]`; nan: no answer."""

    keys: tuple[str, str]
    values: tuple[float, float]
    """of both numbers now, in SI"""
    factors: tuple[float, ...]
    figure: NDArray[np.float64]


def heat_map(
    asked: WhatIf,
    keys: tuple[str, str],
    factors: tuple[float, ...] = FACTORS,
    progress: Progress = lambda done, total: None,
) -> HeatMap:
    """Every pair of factors. Raises InputError for keys that hold no number."""
    system = asked.system
    first, second = (worth(asked.scenario, system, key) for key in keys)
    asked.now()
    found = np.full((len(factors), len(factors)), np.nan)
    for number, (i, j) in enumerate(np.ndindex(found.shape)):
        found[i, j] = asked.allowed(scaled_to({keys[0]: (first, factors[i]), keys[1]: (second, factors[j])}))
        progress(number + 1, found.size)
    return HeatMap(keys, (first, second), factors, found)
