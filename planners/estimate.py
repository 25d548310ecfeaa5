"""The verb `estimate`: steady state of one scenario, its load as a batch, users or a rate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from planners.evaluate import Evaluator
from planners.load import at_rate, rate_of, with_values
from scenarios.access_energy import access_energy
from scenarios.answer import of_estimate
from scenarios.endurance import life
from scenarios.estimate import case_of
from scenarios.resolved import Resolved
from scenarios.stacks import cost_model
from simcore.errors import said_in
from simcore.kept.lazy import dataclass
from simcore.result import Overloaded, Reason, Result
from simcore.spec.case import Case
from simcore.spec.scenario import Scenario


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
    if scenario.models:
        from planners.models import estimate_models

        return estimate_models(scenario)
    if scenario.jobs:
        from planners.jobs import estimate_job

        return estimate_job(scenario)
    case, found = case_of(scenario)
    return estimated(case, found)


def estimated(case: Case, found: Resolved) -> Estimated:
    """Steady state of a question whose names are known."""
    with said_in(found.scenario.file):
        return answered(case, found)


def answered(case: Case, found: Resolved) -> Estimated:
    """As `estimated`; complaints about the case name no file."""
    evaluator = Evaluator({}, cost_model)
    rate = rate_of(found.scenario)
    if rate is None:
        return Estimated(with_more(evaluator.one(case), found, case), found, case)
    row = at_rate(evaluator, case, {"dp": np.array([float(case.plan.dp)])}, rate).row(0)
    asked = case.replace(batch=round(row.batch))
    result = with_values(evaluator.one(asked), row)
    if row.reason == Reason.OVERLOADED and result.infeasible is None:
        result = replace(result, infeasible=Overloaded(rate, float(row.requests_per_s)))
    return Estimated(with_more(result, found, asked), found, asked)


def with_more(result: Result, found: Resolved, case: Case) -> Result:
    """The answer with how long the tier of KV lasts, and what accesses cost where specs say it."""
    if result.infeasible is not None:
        return result
    lengths = case.demand.input.mean_tokens + case.demand.output.mean_tokens
    ranks = case.plan.dp * case.plan.attention_dp
    told = life(found, float(result.values["requests_per_s"]) * lengths / ranks)
    told |= access_energy(found, result.operations, float(case.batch))
    return replace(result, values={**result.values, **told}) if told else result
