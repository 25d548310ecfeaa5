"""The true frontier of a problem whose grid can be walked; for a noisy one, of means over many seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from planners.pareto import non_dominated
from planners.search.problem import Problem
from planners.search.quality import hypervolume
from planners.search.space import Array, Point
from simcore.errors import InputError
from simcore.spec.load import read_arrays

TRUTH_SEEDS = tuple(range(50))
"""no search draws these: it uses hashed seeds"""


@dataclass(frozen=True)
class Truth:
    """Every grid point with its (mean) objectives; NaN where infeasible."""

    problem: Problem
    units: Array
    values: Array
    _places: dict[bytes, int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def reference(self) -> Array:
        corner = self.problem.corner
        assert corner is not None
        return corner

    @property
    def hypervolume(self) -> float:
        return hypervolume(self.values, self.reference)

    @property
    def frontier(self) -> list[Point]:
        return self.problem.space.points(self.units[non_dominated(self.values)])

    def means(self, units: Array) -> Array:
        """True objectives of canonical rows on the grid, [rows, objectives]."""
        if not self._places:
            self._places.update({row.tobytes(): i for i, row in enumerate(self.units)})
        return self.values[[self._places[row.tobytes()] for row in units]]


def truth(problem: Problem, seeds: Sequence[int] = TRUTH_SEEDS) -> Truth:
    """Walk the grid. Raises InputError where a parameter is continuous."""
    units, values = [], []
    for block in problem.space.grid(4096):
        points = problem.space.points(block)
        units.append(block)
        values.append(_mean(problem, points, seeds if problem.evaluator.noisy else seeds[:1]))
    return Truth(problem, np.concatenate(units), np.concatenate(values))


def kept_truth(problem: Problem, folder: Path, seeds: Sequence[int] = TRUTH_SEEDS) -> Truth:
    """`truth`, kept in `folder` under what decides it: evaluator, space and seeds. A walk may take half an hour."""
    from planners.search.function import digest

    asked = (problem.space.parameters, problem.space.constraints, problem.objectives, problem.constraints, tuple(seeds))
    key = digest(problem.evaluator.fingerprint(), repr(asked))
    path = folder / f"truth-{key}.npz"
    if path.exists():
        kept = read_arrays(path)
        if not {"units", "values"} <= set(kept):
            raise InputError("is not a truth that was kept", file=str(path), fix="delete the file")
        return Truth(problem, kept["units"], kept["values"])
    found = truth(problem, seeds)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{path.name}.partial.npz"
    np.savez_compressed(partial, units=found.units, values=found.values)
    partial.replace(path)
    return found


def _mean(problem: Problem, points: list[Point], seeds: Sequence[int]) -> Array:
    level = len(problem.evaluator.costs) - 1
    total = np.zeros((len(points), len(problem.objectives)))
    for seed in seeds:
        total += problem.judge(points, problem.evaluator(points, [seed] * len(points), level))[0]
    return total / len(seeds)
