"""Optuna samplers behind the searcher's two verbs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from planners.search.adapters import optuna, suggest
from planners.search.method import Ask, Task, Told
from planners.search.space import TRIES, Array
from simcore.errors import InputError


class OptunaSearcher:
    """Ask and tell around an in-memory study; conditions are followed as parameters are suggested.

    Rows that break a constraint of the space cost no evaluation: the sampler is asked again. `shown` is the monotone
    function of the objectives that the sampler learns from.
    """

    def __init__(self, task: Task, sampler: Any, shown: Callable[[Array], Array] = np.asarray) -> None:
        self.task, self.space, self.shown = task, task.space, shown
        self.study = optuna().create_study(sampler=sampler, directions=["minimize"] * task.objectives)
        self.open: list[tuple[Any, bytes]] = []
        self.worst: Array = np.zeros(task.objectives)

    def ask(self, count: int) -> Ask:
        rows = []
        for _ in range(count):
            trial, row = self._one()
            self.open.append((trial, row.tobytes()))
            rows.append(row)
        return Ask(np.stack(rows))

    def _one(self) -> tuple[Any, Array]:
        for attempt in range(TRIES):
            trial = self.study.ask()
            row = self.space.units([suggest(trial, self.space)])[0]
            if not self.space.constraints or self.space.allowed(self.space.points(row[None]))[0]:
                return trial, row
            self._reject(trial, attempt)
        raise InputError("the sampler finds no point that keeps the constraints", key="space.constraints")

    def _reject(self, trial: Any, attempt: int) -> None:
        """A candidate that breaks a constraint: dropped at first, and taught as infeasible if that happens again."""
        if attempt < 4:
            self.study.tell(trial, state=optuna().trial.TrialState.FAIL)
            return
        trial.set_user_attr("violation", 1.0)
        self.study.tell(trial, [float(v) for v in self.worst + 1.0])

    def tell(self, told: Told) -> None:
        shown_values, good = self.shown(told.values), told.violation <= 0
        if good.any():
            self.worst = np.maximum(self.worst, shown_values[good].max(axis=0))
        for row, values, violation in zip(told.units, shown_values, told.violation, strict=True):
            trial = self._match(row)
            trial.set_user_attr("violation", float(violation))
            shown = values if violation <= 0 else self.worst + min(float(violation), 10.0)
            self.study.tell(trial, [float(v) for v in shown])

    def _match(self, row: Array) -> Any:
        key = row.tobytes()
        index = next(i for i, (_, k) in enumerate(self.open) if k == key)
        return self.open.pop(index)[0]


def compressed(values: Array) -> Array:
    """Objectives on a logarithmic scale of both signs (linear below 1e-3): one overloaded run then does not decide how
    a sampler that weighs by hypervolume tells good from bad. The order of values stays.

    >>> compressed(np.array([-100.0, 0.0, 100.0])).round(2)
    array([-12.21,   0.  ,  12.21])
    """
    return np.asarray(np.arcsinh(1e3 * values))


def violations(trial: Any) -> tuple[float]:
    """For an Optuna sampler's `constraints_func`."""
    return (float(trial.user_attrs.get("violation", 0.0)),)


def quietly(make: Any, **settings: Any) -> Any:
    """Build a sampler without its notices about experimental arguments."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(**settings)
