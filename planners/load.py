"""The batch that a load stands for, for many plans at once: what `estimate`, `sweep` and `search` share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.evaluate import Evaluator
from scenarios.traffic import needed, traffic_of
from simcore.cost.money import usd_per_million_tokens
from simcore.errors import InputError
from simcore.result import Reason, Result, ResultTable
from simcore.spec.case import Case
from simcore.spec.scenario import Scenario
from simcore.units import SECONDS_PER_HOUR

Columns = Mapping[str, NDArray[Any]]
MOST_BATCH = 4096
"""per attention-dp rank: largest batch tried for a rate"""
RUNGS = 60
OVER_TIME = (
    "replica_tokens_per_s",
    "throughput_tokens_per_s",
    "throughput_per_chip_tokens_per_s",
    "requests_per_s",
    "prefill_share_ratio",
    "mfu_ratio",
    "mbu_ratio",
    "power_w",
    "chip_power_w",
    "server_power_w",
    "facility_power_w",
    "usd_per_hour",
)
PER_REQUEST = ("ttft_s", "tpot_s", "e2e_s", "prefill_s", "decode_step_s", "queue_s")


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
    """The plans of `columns` (every one but `batch`), one row each, under an open loop of a rate.

    `batch` is the smallest that serves the rate: found on a logarithmic ladder, then by halving between two rungs. The
    others are those of the rate itself, between the answers of that batch and of one less (see `between`), so that
    output is the rate and cost per token the price of an hour over it. Where no batch keeps up, the row is that of the
    most requests per second and its reason is OVERLOADED.
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
    alone = keeps & (high == 1.0)
    busy = np.where(alone, rate_per_s / np.maximum(served_of(table), rate_per_s), 1.0)
    upper = evaluator(case, {**plans, "batch": high, "busy_ratio": busy}) if alone.any() else table
    fewer = evaluator(case, {**plans, "batch": np.maximum(high - 1.0, 1.0)})
    columns = between(fewer.columns, upper.columns, np.where(keeps, rate_per_s, np.inf))
    return replace(table, columns={**columns, "reason": reason})


def between(low: Columns, high: Columns, rate_per_s: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """The columns of plans that have now the batch of `high`, now one request less, and serve `rate_per_s` `[plans]`.

    The share w of the time in which the batch is there has w R(high) + (1 - w) R(low) = rate, R being requests per
    second. Rates, power and shares are means over the time, seconds of a request means over the requests (those of the
    whole answer are batch / rate then, as Little's law has it), energy and cost per token the quotients of such means.
    Memory and the batch stay those of `high`. A rate beyond `high` is that of `high`.
    """
    served, less = (np.nan_to_num(np.asarray(table["requests_per_s"], float)) for table in (high, low))
    span = served - less
    share = np.where(span > 0.0, (np.minimum(rate_per_s, served) - less) / np.where(span > 0.0, span, 1.0), 1.0)
    time = np.clip(share, 0.0, 1.0)
    requests = time * served / np.maximum(time * served + (1.0 - time) * less, 1e-300)
    found = dict(high)
    for names, weight in ((OVER_TIME, time), (PER_REQUEST, requests)):
        found |= {name: weight * high[name] + (1.0 - weight) * low[name] for name in names}
    tokens_per_s, spent = found["throughput_tokens_per_s"], found["usd_per_hour"] / SECONDS_PER_HOUR
    found["energy_j_per_token"] = found["power_w"] / tokens_per_s
    return {**found, "usd_per_million_tokens": np.asarray(usd_per_million_tokens(spent, tokens_per_s))}


def with_values(result: Result, row: Result) -> Result:
    """A plan in detail with the numbers of its row, which are those of its load."""
    return replace(result, values={**result.values, **{k: v for k, v in row.values.items() if k in result.values}})


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
