"""`estimate` of a job in the slack of inference: every step is filled to the job's limit, what is left is the job's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from planners.estimate import Estimated, estimated
from planners.evaluate import Evaluator
from scenarios.estimate import case_of
from scenarios.jobs import job_of
from scenarios.models import check
from scenarios.stacks import cost_model
from simcore.spec.scenario import Scenario

LEAST_S = 1e-12
"""of a step, so that prompts share steps with decodes as they do where steps are filled"""


def estimate_job(scenario: Scenario) -> Estimated:
    """Steady state with filled steps, the job's memory taken from the KV pool, and the rate of the job's tokens.

    The chips' share for the job is 1 - lambda O D / ((1 - rho) b): what lambda requests a second leave whose O decode
    steps of b take D without the job, rho of the time going to prompts. Wrong where a job ends, and for the first token
    of users who answer at once, who meet a whole step of the job. Raises InputError.
    """
    check(scenario)
    case, found = case_of(scenario.model_copy(update={"jobs": (), "residency": {}}))
    job = job_of(scenario, found)
    assert job is not None
    chip = case.system.chip
    less = case.system.replace(chip=chip.replace(reserve_bytes=chip.reserve_bytes + job.held_bytes))
    policy = case.policy.replace(fill_s=job.engine.limit_s)
    told = estimated(case.replace(system=less, policy=policy), found)
    if told.result.infeasible is not None:
        return told
    values, batch = dict(told.result.values), float(told.case.batch)
    plain = case.replace(batch=told.case.batch, policy=case.policy.replace(fill_s=LEAST_S))
    own = Evaluator({}, cost_model).one(plain).values
    output = case.demand.output.mean_tokens
    busy_s = output * own["decode_step_s"] / (1.0 - own["prefill_share_ratio"]) / batch
    share = max(0.0, 1.0 - values["requests_per_s"] / case.plan.dp * busy_s)
    peak = case.plan.dp / job.engine.token_s
    idle_w = float(np.max(found.machine.idle_w))
    own_w = (1.0 - share) * (own["chip_power_w"] - idle_w) + share * job.engine.power_w / case.plan.replica_chips
    values |= powered(values, idle_w + own_w)
    values |= {"job_tokens_per_s": share * peak, "job_peak_ratio": share}
    return replace(told, result=replace(told.result, values=values))


def powered(values: dict[str, Any], chip_w: float) -> dict[str, float]:
    """Watts and joules where a chip draws so much: its own steps and the job's, each for its share of the time."""
    over = values["facility_power_w"] / values["server_power_w"]
    node_w = values["server_power_w"] - values["chip_power_w"]
    found = {"chip_power_w": chip_w, "server_power_w": chip_w + node_w}
    found["facility_power_w"] = over * found["server_power_w"]
    found["power_w"] = found["facility_power_w"] * values["chips"]
    found["energy_j_per_token"] = values["energy_j_per_token"] * found["server_power_w"] / values["server_power_w"]
    return found
