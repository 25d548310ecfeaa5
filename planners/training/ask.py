"""`simcore plan training`: a scenario's [training] over all plans of its chips; `train` schedules the best again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from planners.training.search import RANKS, Found, Plan, search
from planners.training.terms import Costs
from scenarios.training import Question, job_on, question_of
from simcore.engine.training.job import Degrees
from simcore.engine.training.step import train
from simcore.errors import InputError, suggest
from simcore.spec.recipe import Recipe
from simcore.spec.scenario import Scenario
from simcore.spec.system import System

HOST_LINKS = ("c2c", "pcie")
SLOWEST_BYTES_PER_S = 16e9
"""PCIe Gen3 x16: where neither chip nor node names its link to the host"""


@dataclass(frozen=True)
class Answer:
    """The best plans and the frontier, each as a flat row."""

    question: Question
    found: Found
    best: list[dict[str, Any]]
    frontier: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        counts = {"plans": self.found.plans, "feasible_plans": self.found.feasible}
        tables = {"best": self.best, "frontier": self.frontier}
        return {
            "verb": "plan training",
            "feasible": bool(self.best),
            **counts,
            **tables,
            "notes": list(self.question.notes),
        }


def host_bytes_per_s(system: System) -> float:
    """Of a chip's link to its host, one direction."""
    links = {**(system.node.links if system.node else {}), **system.chip.links}
    return next((links[name].bytes_per_s for name in HOST_LINKS if name in links), SLOWEST_BYTES_PER_S)


def plan_training(scenario: Scenario, rank_by: str = "step_time_s", top: int = 10) -> Answer:
    """The space of a scenario's model, chips (`plan.chips`) and global batch. Raises InputError."""
    if rank_by not in RANKS:
        raise InputError(f"cannot rank by {rank_by!r}", key="--by", fix=suggest(rank_by, RANKS))
    question = question_of(scenario)
    job = question.job
    if job.trainee.model.is_moe or job.degrees.cp > 1 or job.degrees.ep > 1:
        what = "the space has no degrees for experts and contexts"
        raise InputError(what, file=scenario.file, key="model.name", fix="ask `train` with [vary]")
    costs = Costs(job, host_bytes_per_s(question.system))
    found = search(costs, job.degrees.chips, job.recipe.global_batch, rank_by, top)
    best = [row_of(question, plan, True) for plan in found.best]
    best.sort(key=lambda row: (row.get(rank_by, 0.0), row["need_bytes"], row["number"]))
    return Answer(question, found, best, [row_of(question, plan, False) for plan in found.frontier])


def row_of(question: Question, plan: Plan, scheduled: bool) -> dict[str, Any]:
    """A plan's row; `scheduled_step_time_s` is what `train` says of it, where it knows every switch."""
    row: dict[str, Any] = plan.row()
    row["seconds_per_token"] = plan.step_s / plan.tokens
    job = question.job
    peak = float(job.trainee.machine.bf16_flop_per_s) * job.degrees.chips
    changes = plan.changes()
    if not scheduled or changes is None:
        return row
    again = with_changes(question, changes)
    row["scheduled_step_time_s"] = again.time_s
    row["scheduled_need_bytes"] = float(again.holdings.need.max()) if again.holdings else None
    row["mfu_ratio"] = again.model_flop / again.time_s / peak
    row["changes"] = changes
    return row


def with_changes(question: Question, changes: dict[str, Any]) -> Any:
    """The same question under another plan, through the engine of `train`."""
    job = question.job
    recipe = job.recipe.model_dump()
    degrees = {key.removeprefix("plan."): value for key, value in changes.items() if key.startswith("plan.")}
    for key, value in changes.items():
        if key.startswith("training.overlap."):
            recipe["overlap"][key.rpartition(".")[2]] = value
        elif key.startswith("training."):
            recipe[key.removeprefix("training.")] = value
    model, system = job.trainee.model, question.system
    made = Recipe.model_validate(recipe)
    return train(job_on(model, system, made, Degrees(**degrees), "", job.trainee)[0])
