"""What is asked: a space, objectives, constraints on results, and an evaluator that answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from planners.pareto import sense
from planners.search.space import Array, Point, Space
from simcore.errors import InputError, suggest
from simcore.spec.expression import Expression

Outputs = Mapping[str, Array]
"""output name -> [points]; always holds `violation`: 0 where feasible, else how far from it"""


@runtime_checkable
class PointEvaluator(Protocol):
    """Anything that answers points. Equal arguments give equal answers, in any process: that is a contract.

    `costs` are the prices of its levels of fidelity, the last one full, in units of a full evaluation. A noisy
    evaluator draws from `seeds` (one per point) alone; an exact one ignores them and has `noisy` False.
    """

    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def costs(self) -> tuple[float, ...]: ...
    @property
    def noisy(self) -> bool: ...
    def fingerprint(self) -> str:
        """Text that changes when an answer could: scenario, code and calibration."""
        ...

    def __call__(self, points: Sequence[Point], seeds: Sequence[int], level: int) -> Outputs: ...


@dataclass(frozen=True)
class Objective:
    """An output to minimise or maximise."""

    name: str
    """as the question says it"""
    maximise: bool = False
    answer: str = ""
    """the evaluator's output, where it has another name"""

    @property
    def output(self) -> str:
        return self.answer or self.name

    @classmethod
    def named(cls, name: str) -> Objective:
        """With the sense that the output's name tells.

        >>> Objective.named("throughput_tokens_per_s").maximise, Objective.named("tpot_s").maximise
        (True, False)
        """
        return cls(name, sense(name) < 0)

    @property
    def sign(self) -> float:
        return -1.0 if self.maximise else 1.0


@dataclass(frozen=True)
class Problem:
    """A search question. Infeasible points count as evaluated and have a `violation` above 0, never a fake objective.

    `reference` is the corner of the hypervolume, one value per objective as written; None: the worst feasible values
    seen. Raises InputError for an objective that the evaluator does not give.
    """

    space: Space
    objectives: tuple[Objective, ...]
    evaluator: PointEvaluator
    constraints: tuple[Expression, ...] = ()
    reference: tuple[float, ...] | None = None
    name: str = "search"

    def __post_init__(self) -> None:
        if not self.objectives:
            raise InputError("there is no objective", key="objective")
        known = (*self.evaluator.outputs, *self.space.names)
        for objective in self.objectives:
            if objective.output not in self.evaluator.outputs:
                what = f"unknown objective {objective.name!r}"
                raise InputError(what, key="objective", fix=suggest(objective.name, known))
        for constraint in self.constraints:
            for name in constraint.names:
                if name not in known:
                    what = f"unknown name {name!r} in {constraint.text!r}"
                    raise InputError(what, key="objective.constraints", fix=suggest(name, known))
        if self.reference is not None and len(self.reference) != len(self.objectives):
            what = f"has {len(self.reference)} values for {len(self.objectives)} objectives"
            raise InputError(what, key="objective.reference")

    @property
    def corner(self) -> Array | None:
        """`reference`, to be minimised."""
        if self.reference is None:
            return None
        return np.array([o.sign * r for o, r in zip(self.objectives, self.reference, strict=True)])

    def judge(self, points: Sequence[Point], outputs: Outputs) -> tuple[Array, Array]:
        """As `judged`."""
        return judged(self.objectives, self.constraints, points, outputs)


def judged(
    objectives: Sequence[Objective], constraints: Sequence[Expression], points: Sequence[Point], outputs: Outputs
) -> tuple[Array, Array]:
    """(objectives [points, objectives] to be minimised, NaN where infeasible; violation [points])."""
    rows = len(points)
    violation = np.array(outputs["violation"], float)
    columns = _Columns(points, outputs)
    met = violation <= 0
    for constraint in constraints:
        over = np.broadcast_to(np.asarray(constraint.violation(columns), float), rows)
        violation = np.where(met, np.maximum(violation, np.nan_to_num(over, nan=1.0)), violation)
    values = np.stack([o.sign * np.asarray(outputs[o.output], float) for o in objectives], axis=1)
    bad = (violation <= 0) & ~np.isfinite(values).all(axis=1)
    violation[bad] = 1.0
    values[violation > 0] = np.nan
    return values, violation


class _Columns(dict[str, NDArray[Any]]):
    """Outputs, and parameters where an expression asks for them."""

    def __init__(self, points: Sequence[Point], outputs: Outputs) -> None:
        super().__init__(outputs)
        self.points = points

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or any(name in p for p in self.points)

    def __missing__(self, name: str) -> NDArray[Any]:
        return np.array([p.get(name, np.nan) for p in self.points])
