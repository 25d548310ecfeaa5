"""The risk of a row where what it rests on is uncertain: how much its servers go together, and how busy they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from planners.power.curves import ServerCurve
from planners.power.problem import PowerProblem, RowPlan, ServerClass, Work
from planners.power.scenarios import busy_shares
from planners.power.solve import exceedance

CORRELATIONS = (0.0, 0.1, 0.3, 0.5)
"""between the servers' busy shares; the stated one is added"""
BUSY_RATIOS = (0.95, 1.0, 1.05)
"""times the stated mean busy shares"""
SCENARIOS = 10_000
"""drawn for each pair; a risk of 1 % is then known to 0.1 points"""


@dataclass(frozen=True)
class Risk:
    """Probability that a row exceeds its budget at the peak hour."""

    common_load: float
    busy_ratio: float
    risk: float


def risks(
    problem: PowerProblem, curves: Mapping[Work, ServerCurve], row: RowPlan, seed: int = 0, count: int = SCENARIOS
) -> list[Risk]:
    """Of every pair, the same draws for all: correlations ascending, then busy shares.

    Servers are those of the plan; what a controller caps is not in it (the simulated days say that).
    """
    found = []
    for common_load in sorted({*CORRELATIONS, problem.common_load}):
        for ratio in BUSY_RATIOS:
            asked = problem.replace(common_load=common_load, classes=busier(problem, ratio))
            found.append(Risk(common_load, ratio, exceedance(asked, curves, row, busy_shares(asked, count, seed + 2))))
    return found


def busier(problem: PowerProblem, ratio: float) -> tuple[ServerClass, ...]:
    """The classes with their mean busy shares times a ratio, at most always busy."""
    return tuple(kind.replace(utilisation=min(kind.utilisation * ratio, 1.0)) for kind in problem.classes)


def in_words(problem: PowerProblem, found: list[Risk]) -> str:
    """The interval in a sentence."""
    stated = next(one.risk for one in found if (one.common_load, one.busy_ratio) == (problem.common_load, 1.0))
    low, high = min(one.risk for one in found), max(one.risk for one in found)
    loads, ratios = sorted({one.common_load for one in found}), sorted({one.busy_ratio for one in found})
    return (
        f"risk {stated:.1%} as stated, {low:.1%} to {high:.1%} over correlations {loads[0]:g} to {loads[-1]:g} and "
        f"busy shares {ratios[0]:g} to {ratios[-1]:g} times those stated ({SCENARIOS:,} scenarios each)"
    )
