"""Learning the residual: gradient-boosted trees on log(measured / law), baked to packed words under a budget.

Few numbers must say much: twice as many trees as the budget holds are boosted, all leaf values are fitted again
together (fully corrective boosting, least absolute error by reweighted least squares), and the pairs of leaves that
matter least are joined and the rest fitted again until the budget is met. That is worth a tenth of the error of a
forest grown straight to the same size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.calibration.forest import Features, Floats, Tree, boost, evaluate, prune, refit, size, words

COUNTS = (40, 20, 10, 5)
"""trees before pruning: fewer, larger trees see more shape columns together and are walked faster"""
RATE, UNSAID = 0.3, 0.05
"""of boosting; faster where so few trees would leave more than UNSAID of the deviations unsaid"""
RIDGE, TINY_RIDGE = 10.0, 3.0
"""of the leaf values towards the boosted ones, in rows"""
SURPLUS = 2.0
"""numbers boosted per number kept"""
FEW = 500
"""numbers below which fits are quick and rows set aside are few"""
TINY, TENTHS, QUARTERS = 200, 10, 4
"""below so many numbers tenths are set aside in turn, not quarters: over 57 such tables 2 % less error"""
SHARE = 0.25
"""of the splits that may go in one round of pruning"""


def learn(features: Features, target: Floats, budget: int) -> NDArray[np.uint32]:
    """Packed trees of at most `budget` words, least absolute error on `target`.

    The manner is chosen on rows set aside (a quarter; where numbers are few, each quarter in turn), then all rows are
    used. Empty when the budget does not pay for a handful of leaves.
    """
    ways = manners(budget, len(target))
    if not ways:
        return np.empty(0, np.uint32)
    if len(ways) > 1:
        wrong = [set_aside_error(features, target, budget, way) for way in ways]
        ways = [ways[int(np.argmin(wrong))]]
    return words(grow(features, target, budget, ways[0]))


def promise(features: Features, target: Floats, budget: int) -> float:
    """What `learn` is likely to leave: the error on rows set aside, or that of no trees where none are paid for."""
    ways = manners(budget, len(target))
    bare = np.abs(target - np.median(target))
    wrong = [set_aside_error(features, target, budget, way) for way in ways]
    return min(wrong, default=float(np.median(bare) + 0.5 * bare.mean()))


@dataclass(frozen=True)
class Manner:
    """How a forest is grown."""

    leaves: int
    """of each tree before pruning"""
    surplus: float
    """numbers boosted per number kept"""


def manners(budget: int, rows: int) -> list[Manner]:
    """Ways worth trying: leaves that make COUNTS trees; the extremes, and no pruning, only where numbers are few."""
    few = budget < FEW
    room = {int(SURPLUS * budget / count + 1.0) // 2 for count in (COUNTS if few else COUNTS[1:-1])}
    sizes = sorted(leaves for leaves in room if leaves >= 4 and rows > 8 * leaves)
    return [Manner(leaves, surplus) for leaves in sizes for surplus in ((1.0, SURPLUS) if few else (SURPLUS,))]


def set_aside_error(features: Features, target: Floats, budget: int, way: Manner) -> float:
    """Median plus half the mean of |error| on rows that the trees have not seen."""
    parts = TENTHS if budget < TINY else QUARTERS
    place = np.random.default_rng(0).integers(0, parts, len(target))
    wrong = []
    for part in range(parts if budget < FEW else 1):
        aside = place == part
        trees = grow(features[~aside], target[~aside], budget, way)
        wrong.append(np.abs(evaluate(trees, features[aside]) - target[aside]))
    found = np.concatenate(wrong)
    return float(np.median(found) + 0.5 * found.mean())


def grow(features: Features, target: Floats, budget: int, way: Manner) -> list[Tree]:
    """Boosted trees, fitted together and pruned to at most `budget` nodes."""
    count = max(2, int(way.surplus * budget / (2 * way.leaves - 1)))
    rate, ridge = max(RATE, 1.0 - UNSAID ** (1.0 / count)), TINY_RIDGE if budget < TINY else RIDGE
    trees = boost(features, target, way.leaves, count, rate)
    refit(trees, target, ridge)
    while size(trees) > budget:
        splits = (size(trees) - len(trees)) // 2
        surplus = (size(trees) - budget + 1) // 2
        trees = prune(trees, min(surplus, max(20, int(SHARE * splits))))
        refit(trees, target, ridge, rounds=2)
    refit(trees, target, ridge)
    return trees
