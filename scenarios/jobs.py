"""[[jobs]] of a scenario: what a token of fine-tuning takes, and how long a step may last for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from scenarios.resolved import Resolved
from simcore.engine.models.serve import Job
from simcore.errors import InputError
from simcore.kept.lazy import dataclass
from simcore.spec.plan_part import PlanPart
from simcore.spec.scenario import Scenario

PLAIN = {"sequence_tokens": 1024, "global_batch": 1, "microbatch": 1, "tune": "lora", "precision": "bf16"}
"""of [training], where a job does not say"""


@dataclass(frozen=True)
class SizedJob:
    """A job as the engine takes it, and its memory."""

    engine: Job
    held_bytes: float
    """of each chip, beside the weights that serving holds anyway"""


def check_jobs(scenario: Scenario) -> None:
    """Raise InputError for a job whose [training] is none."""
    from scenarios.training import recipe_of

    for job in scenario.jobs:
        try:
            recipe_of(scenario.model_copy(update={"training": PLAIN | job.training}))
        except InputError as error:
            error.key = f"jobs.{job.name}.{error.key}"
            raise


def job_of(scenario: Scenario, found: Resolved) -> SizedJob | None:
    """The scenario's job on one replica's chips, priced as `train` prices one sequence. Raises InputError."""
    if not scenario.jobs:
        return None
    if len(scenario.jobs) > 1:
        raise InputError("more than one job", file=scenario.file, key="jobs", fix="give one: the chips have one slack")
    part = scenario.jobs[0]
    limit_s = part.step_s if part.step_s is not None else scenario.slo.tpot_s
    key = f"jobs.{part.name}"
    if limit_s is None:
        fix = 'write step = "50 ms", or slo.tpot'
        raise InputError("says not how long a step may last", file=scenario.file, key=key, fix=fix)
    told = trained(scenario, found, PLAIN | part.training, key)
    held = told.step.holdings
    fullest = held.fullest
    mine = sum(float(getattr(held, name)[fullest]) for name in ("gradients", "optimizer", "activations", "working"))
    mine += float(held.logits[fullest])
    watts = (told.flat["chip_power_w"] - float(np.max(found.machine.idle_w))) * found.plan.replica_chips
    token_s = told.step.time_s / told.step.tokens
    tokens = np.inf if part.tokens is None else part.tokens
    return SizedJob(Job(part.name, token_s, limit_s, tokens, max(watts, 0.0)), mine)


def trained(scenario: Scenario, found: Resolved, training: dict[str, Any], key: str) -> Any:
    """One optimizer step of the job on the chips of a replica."""
    from scenarios.train import train_scenario

    plan = found.plan
    mine = PlanPart(tp=plan.tp, pp=plan.pp, ep=plan.ep, cp=plan.cp, dp=1)
    changes = {"plan": mine, "training": training, "traffic": None, "models": (), "jobs": (), "residency": {}}
    asked = scenario.model_copy(update={**changes, "policy": type(scenario.policy).plain()})
    try:
        told = train_scenario(asked)
    except InputError as error:
        error.key = f"{key}.{error.key}" if error.key else key
        raise
    if told.step.pipeline is None:
        raise InputError(told.flat["reason"] or "does not fit", file=scenario.file, key=key)
    return told
