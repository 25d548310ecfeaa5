"""The verb `estimate`: steady state of one scenario, its load as a batch, users or a rate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planners.evaluate import Evaluator
from scenarios.answer import of_estimate
from scenarios.estimate import case_of
from scenarios.resolved import Resolved
from scenarios.stacks import cost_model
from scenarios.traffic import needed, traffic_of
from simcore.errors import InputError
from simcore.result import Overloaded, Result
from simcore.spec.case import Case
from simcore.spec.scenario import Scenario

MOST_BATCH = 4096
"""per attention-dp rank: largest batch tried for a rate"""


@dataclass(frozen=True)
class Estimated:
    """The analytic engine's answer to a scenario."""

    result: Result
    resolved: Resolved
    case: Case

    @property
    def flat(self) -> dict[str, Any]:
        """The fields that every verb has."""
        return of_estimate(self.result, self.resolved)


def estimate(scenario: Scenario) -> Estimated:
    """Steady state of a scenario. A rate (or a trace, by its mean rate) takes the smallest batch that keeps up.

    Raises InputError for bad input and for parts that the analytic engine does not know.
    """
    case, found = case_of(scenario)
    evaluator = Evaluator({}, cost_model)
    rate = rate_of(found.scenario)
    if rate is None:
        return Estimated(evaluator.one(case), found, case)
    batch, most = batch_for(evaluator, case, rate)
    asked = case.replace(batch=batch)
    result = evaluator.one(asked)
    if most < rate and result.infeasible is None:
        result = replace(result, infeasible=Overloaded(rate, most))
    return Estimated(result, found, asked)


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


def batch_for(evaluator: Evaluator, case: Case, rate_per_s: float) -> tuple[int, float]:
    """(smallest batch per replica with batch = rate x e2e / dp, most requests per second of any batch that fits)."""
    ranks = case.plan.attention_dp
    limit = min(case.policy.max_running or MOST_BATCH, MOST_BATCH) * ranks
    batches = np.arange(1, limit + 1, dtype=float)
    table = evaluator(case, {"batch": batches})
    served = np.where(table.feasible, np.nan_to_num(np.asarray(table["requests_per_s"], float)), 0.0)
    enough = np.flatnonzero(served >= rate_per_s)
    best = int(enough[0]) if len(enough) else int(np.argmax(served))
    return int(batches[best]), float(served.max(initial=0.0))
