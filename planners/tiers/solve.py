"""The best placement: a mixed program with a bound, then small moves that the task engine judges.

    minimise T   over shares x >= 0 and y in {0, 1} (a class has something in a tier)
    T >= sum of the resource's seconds + one layer's kernel          its work is done before the last kernel ends
    T >= all kernels + the resource's seconds of one layer           the first kernel waits for its layer
    T >= all kernels + a latency of the tier + its layer's bytes     for a class that reads there
    shares of a class sum to 1; every tier holds what is put there, two layers that pass through in the main one

Every line bounds any schedule of one layer ahead, so the program's bound is a bound. Sharing can cost more than it
says: the task engine decides, and moves of a few per cent between two tiers are tried from the program's answer until
none is faster.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from planners.program import Program, values
from planners.tiers.problem import Floats, TierProblem
from planners.tiers.step import Steps

MOVES = (0.2, 0.1, 0.05, 0.02, 0.01)
TIE = 1e-7
"""of all kernels, a class outside the main tier: among equal placements the one that moves least"""
CLOSE = 1e-6
"""relative: a step this near its bound is not worth a look"""


@dataclass(frozen=True)
class Placement:
    """The answer: shares [classes, tiers], seconds by the task engine, and what no placement beats."""

    problem: TierProblem
    shares: Floats
    step_s: float
    bound_s: float
    evaluations: int
    cpu_s: float

    @property
    def gap_ratio(self) -> float:
        """Of the step over its bound."""
        return self.step_s / self.bound_s - 1.0 if self.bound_s > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON: shares by class and tier."""
        names = [tier.name for tier in self.problem.tiers]
        rows = zip(self.problem.classes, self.shares.tolist(), strict=True)
        return {
            "placement": {c.name: dict(zip(names, row, strict=True)) for c, row in rows},
            "step_s": self.step_s,
            "bound_s": self.bound_s,
            "gap_ratio": self.gap_ratio,
            "evaluations": self.evaluations,
            "cpu_s": self.cpu_s,
        }


def solve(problem: TierProblem) -> Placement | None:
    """The best placement found; None where the tiers together hold too little."""
    began, steps = time.process_time(), Steps(problem)
    found = program(problem)
    if found is None:
        return None
    shares, bound_s = found
    best_s, tried = steps.time_s(shares), 1
    for size in MOVES:
        moved = True
        while moved and best_s > bound_s * (1.0 + CLOSE):
            moved = False
            for other in neighbours(problem, shares, size):
                time_s = steps.time_s(other)
                tried += 1
                if time_s < best_s * (1.0 - CLOSE):
                    shares, best_s, moved = other, time_s, True
    return Placement(problem, shares, best_s, bound_s, tried, time.process_time() - began)


def neighbours(problem: TierProblem, shares: Floats, size: float) -> Iterator[Floats]:
    """Shares with up to `size` of one class moved from one tier to another, where that fits."""
    for row, origin, target in np.ndindex(len(problem.classes), len(problem.tiers), len(problem.tiers)):
        amount = min(size, float(shares[row, origin]))
        if origin == target or amount <= 0.0:
            continue
        other = shares.copy()
        other[row, origin] -= amount
        other[row, target] += amount
        if problem.fits(other):
            yield other


def program(problem: TierProblem) -> tuple[Floats, float] | None:
    """(shares, the bound) of the mixed program; None where nothing fits."""
    made = Program("tiers")
    unit_s = max(problem.layers * problem.layer_s, 1e-12)  # seconds of the program are near 1
    longest = made.variables(1, "Continuous", 0.0, None)[0]
    x = made.variables(problem.shape, "Continuous")
    used = made.variables(problem.shape, "Binary")
    for row in range(len(problem.classes)):
        made.equal([(1.0, one) for one in x[row]], 1.0)
    for taken, capacity in problem.room():
        terms = [(float(taken[at]) / capacity, x[at]) for at in np.ndindex(problem.shape) if taken[at]]
        made.at_most(terms, 1.0)
    kernels = problem.layers * problem.layer_s / unit_s
    made.at_least([(1.0, longest)], kernels)
    for _, _, seconds in problem.resources():
        terms = [(-float(seconds[at]) / unit_s, x[at]) for at in np.ndindex(problem.shape) if seconds[at]]
        made.at_least([(1.0, longest), *terms], problem.layer_s / unit_s)
        made.at_least([(1.0, longest), *((c / problem.layers, v) for c, v in terms)], kernels)
    for row, column in np.ndindex(problem.shape):
        tensors, tier = problem.classes[row], problem.tiers[column]
        if column and tier.latency_s and tensors.read_bytes:
            made.at_most([(1.0, x[row, column]), (-1.0, used[row, column])], 0.0)
            own_s = tensors.read_bytes / problem.layers / tier.read_bytes_per_s
            terms = [(-tier.latency_s / unit_s, used[row, column]), (-own_s / unit_s, x[row, column])]
            made.at_least([(1.0, longest), *terms], kernels)
    away = [(TIE, x[row, column]) for row, column in np.ndindex(problem.shape) if column]
    made.minimise([(1.0, longest), *away])
    solved = made.solve()
    if solved.status in ("infeasible", "none"):
        return None
    shares = np.clip(values(x), 0.0, 1.0)
    least = min(solved.bound, solved.objective) - TIE * len(problem.classes)
    return shares / shares.sum(axis=1, keepdims=True), least * unit_s
