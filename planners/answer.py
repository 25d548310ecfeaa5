"""What every planner gives back: a plan, how good it is, how good any plan could be, and how it was found."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np

P = TypeVar("P")
Status = Literal["optimal", "feasible", "time limit", "infeasible"]


@dataclass(frozen=True)
class Answer(Generic[P]):
    """A planner's answer. Objectives are minimised; no plan can be below `lower_bound`.

    `infeasible` answers have no plan and say in `explanation` which constraints clash; `time limit` answers hold the
    best plan found so far.
    """

    plan: P | None
    objective: float
    lower_bound: float
    method: str
    seed: int
    cpu_s: float
    status: Status
    explanation: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def gap_ratio(self) -> float:
        """(objective - bound) / objective; 0 is proven optimal."""
        if not np.isfinite(self.objective) or self.objective == 0:
            return float("nan")
        return max(0.0, (self.objective - self.lower_bound) / abs(self.objective))

    def as_dict(self) -> dict[str, Any]:
        """Plain data without the plan."""
        kept = ("objective", "lower_bound", "method", "seed", "cpu_s", "status", "metrics")
        return {name: getattr(self, name) for name in kept} | {
            "gap_ratio": self.gap_ratio,
            "explanation": list(self.explanation),
        }


@dataclass
class Clock:
    """CPU seconds since it was made, against a limit."""

    limit_s: float | None = None
    began: float = field(default_factory=time.process_time)

    @property
    def cpu_s(self) -> float:
        return time.process_time() - self.began

    @property
    def left_s(self) -> float:
        return float("inf") if self.limit_s is None else max(0.0, self.limit_s - self.cpu_s)

    @property
    def over(self) -> bool:
        return self.left_s <= 0.0


def infeasible(method: str, seed: int, clock: Clock, *reasons: str) -> Answer[Any]:
    """No plan exists, and why."""
    return Answer(None, float("inf"), float("inf"), method, seed, clock.cpu_s, "infeasible", reasons)
