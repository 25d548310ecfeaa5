"""The answers of a search as an Optuna study in a journal file, which optuna-dashboard opens."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from planners.search.adapters import optuna
from planners.search.run import SearchResult
from planners.search.space import Parameter, Point


def export(result: SearchResult, name: str, file: Path) -> int:
    """Write every evaluation at full fidelity as a trial of the study `name` in a new journal; returns how many.

    Parameters that are inactive at a point are left out of its trial. A continuous parameter has its range, integers at
    equal steps theirs, anything else its list of values. An infeasible point is a failed trial with its violation.
    Raises InputError without Optuna.
    """
    module = optuna()
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    problem = result.problem
    ways = ["maximize" if one.maximise else "minimize" for one in problem.objectives]
    journal = JournalStorage(JournalFileBackend(str(file)))
    study = module.create_study(storage=journal, study_name=name, directions=ways)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names of metrics are called experimental
        study.set_metric_names([one.name for one in problem.objectives])
    signs = np.array([one.sign for one in problem.objectives])
    rows = np.flatnonzero(result.full)
    known = {p.name: distribution(p) for p in problem.space.parameters}
    points = zip(rows, problem.space.points(result.units[rows]), strict=True)
    study.add_trials(
        [trial(known, point, result.values[row] * signs, float(result.violation[row])) for row, point in points]
    )
    return len(rows)


def trial(known: dict[str, Any], point: Point, values: Any, violation: float) -> Any:
    """One evaluation, its objectives as written."""
    from optuna.trial import TrialState, create_trial

    feasible = violation <= 0 and bool(np.isfinite(values).all())
    active = {name: known[name] for name in point if name in known}
    return create_trial(
        state=TrialState.COMPLETE if feasible else TrialState.FAIL,
        values=[float(value) for value in values] if feasible else None,
        params={name: plain(point[name]) for name in active},
        distributions=active,
        user_attrs={"violation": violation},
    )


def distribution(parameter: Parameter) -> Any:
    """What a parameter may be, in Optuna's words."""
    module = optuna().distributions
    if parameter.levels is None:
        return module.FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    values = parameter.values()
    if len(values) > 1 and all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        steps = set(np.diff(values).tolist())
        if len(steps) == 1 and min(steps) > 0:
            return module.IntDistribution(values[0], values[-1], step=steps.pop())
    return module.CategoricalDistribution([plain(value) for value in values])


def plain(value: Any) -> Any:
    """A value that Optuna keeps; tables and lists as their text."""
    return value if value is None or isinstance(value, str | int | float) else str(value)
