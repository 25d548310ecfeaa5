"""The batch that a load stands for, for many plans at once: what `estimate`, `sweep` and `search` share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.evaluate import Evaluator
from scenarios.traffic import needed, traffic_of
from simcore.errors import InputError
from simcore.result import Reason, ResultTable
from simcore.spec.case import Case
from simcore.spec.scenario import Scenario

Columns = Mapping[str, NDArray[Any]]
MOST_BATCH = 4096
"""per attention-dp rank: largest batch tried for a rate"""
RUNGS = 60


def rate_of(scenario: Scenario) -> float | None:
    """Requests per second of an open loop; None for users and batches. Raises InputError for a trace without a span."""
    traffic = needed(scenario)
    if traffic.users is not None or traffic.batch is not None:
        return None
    if traffic.rate_per_s is not None:
        return traffic.rate_per_s * traffic.rate_scale
    rate = traffic_of(scenario).rate_requests_per_s
    if not rate:
        what = "has no rate"
        raise InputError(what, file=scenario.file, key="traffic", fix="give rate_per_s, users or batch")
    return rate


def batch_of_users(users: int, dp: NDArray[np.float64]) -> NDArray[np.float64]:
    """Requests in flight per replica of a closed loop, `[plans]`: users / dp, 1 or more."""
    return np.maximum(np.rint(users / dp), 1.0)


def at_rate(evaluator: Evaluator, case: Case, columns: Columns, rate_per_s: float) -> ResultTable:
    """The plans of `columns` (every one but `batch`), one row each, with the batch that a rate needs.

    That is the smallest with batch = rate x e2e / dp: found on a logarithmic ladder, then by halving between two rungs.
    Where no batch keeps up, the row is that of the most requests per second and its reason is OVERLOADED.
    """
    plans = {name: np.asarray(column) for name, column in columns.items() if name != "batch"}
    ranks = np.asarray(plans.get("attention_dp", case.plan.attention_dp), float)
    count = len(next(iter(plans.values())))
    most = np.broadcast_to(min(case.policy.max_running or MOST_BATCH, MOST_BATCH) * ranks, count)
    rungs = np.rint(most[:, None] ** np.linspace(0.0, 1.0, RUNGS))
    spread = {name: np.repeat(column, RUNGS) for name, column in plans.items()}
    served = served_of(evaluator(case, {**spread, "batch": rungs.ravel()})).reshape(rungs.shape)
    keeps, rows = (served >= rate_per_s).any(axis=1), np.arange(count)
    first = np.where(keeps, np.argmax(served >= rate_per_s, axis=1), np.argmax(served, axis=1))
    high = rungs[rows, first]
    low = np.where(keeps, np.where(first > 0, rungs[rows, first - 1], 0.0), high)
    while (open_rows := np.flatnonzero(high - low > 1.0)).size:
        middle = np.floor((low[open_rows] + high[open_rows]) / 2.0)
        part = {name: column[open_rows] for name, column in plans.items()}
        good = served_of(evaluator(case, {**part, "batch": middle})) >= rate_per_s
        high[open_rows] = np.where(good, middle, high[open_rows])
        low[open_rows] = np.where(good, low[open_rows], middle)
    table = evaluator(case, {**plans, "batch": high})
    late = ~keeps & table.feasible
    reason = np.where(late, np.int8(Reason.OVERLOADED), table["reason"])
    return replace(table, columns={**table.columns, "reason": reason})


def served_of(table: ResultTable) -> NDArray[np.float64]:
    """Requests per second, `[plans]`; 0 where infeasible."""
    return np.where(table.feasible, np.nan_to_num(np.asarray(table["requests_per_s"], float)), 0.0)


def under_load(
    evaluator: Evaluator, case: Case, columns: Columns, users: int | None, rate_per_s: float | None
) -> ResultTable:
    """The plans of `columns` (with `dp`) under users, a rate, or, where neither is given, their own `batch`."""
    if users is not None:
        columns = {**columns, "batch": batch_of_users(users, np.asarray(columns["dp"], float))}
    return evaluator(case, columns) if rate_per_s is None else at_rate(evaluator, case, columns, rate_per_s)
