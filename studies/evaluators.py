"""Verbs as functions from a scenario's tables to numbers, by name: what every user of these verbs is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planners.tasks.flat import numbers
from scenarios import asked
from simcore.errors import InputError, suggest
from studies import kernel_evaluators as kernels

Numbers = dict[str, float]
Raw = dict[str, Any]
REASON = "reason"
"""of an answer without numbers, beside them"""


def evaluate(name: str, raw: Raw, file: str) -> dict[str, Any]:
    """Every number of a verb's answer by its dotted name, and its `reason` where it says no.

    Raises InputError for an unknown verb and for bad tables.
    """
    if name not in EVALUATORS:
        raise InputError(f"unknown evaluator {name!r}", file=file, key="evaluator", fix=suggest(name, EVALUATORS))
    answer = EVALUATORS[name](raw, file)
    why = answer.get(REASON) or answer.get("infeasible")
    return numbers(answer) | ({REASON: str(why)} if why else {})


def _scenario(raw: Raw, file: str) -> Any:
    from scenarios.read import from_raw

    return from_raw({"schema": "scenario/2", **raw}, file)


def _estimate(raw: Raw, file: str) -> Raw:
    from planners.tasks.asks import estimate_numbers

    return estimate_numbers(raw, file)


def _simulate(raw: Raw, file: str) -> Raw:
    from scenarios.simulate import simulate

    found = simulate(_scenario(raw, file))
    return {**found.report, **found.flat}


def _capacity(raw: Raw, file: str) -> Raw:
    from scenarios.capacity import capacity

    return capacity(_scenario(raw, file), tolerance=TOLERANCE_RATIO)


TOLERANCE_RATIO = 0.02
"""relative width of the search for a rate: a fifth of the finest tolerance of a claim"""


def _train(raw: Raw, file: str) -> Raw:
    from planners.tasks.asks import train_numbers

    return train_numbers(raw, file)


def _tasks(raw: Raw, file: str) -> Raw:
    """A written schedule."""
    from planners.tasks.answer import from_tables

    return from_tables(raw, file).flat


def _tiers(raw: Raw, file: str) -> Raw:
    """Where each class of tensors lives."""
    from planners.tiers.question import question
    from planners.tiers.solve import solve

    problem = question(_scenario(raw, file))
    found = solve(problem)
    if found is None:
        return {"feasible": False, REASON: "all tiers together hold too little"}
    return {"feasible": True, "all_main_step_s": problem.layers * problem.layer_s, **found.as_dict()}


def _pim(raw: Raw, file: str) -> Raw:
    """A layer of an NPU with memories that multiply."""
    from validation.pim.runs import layer_of

    found = layer_of(str(raw.get("system")), raw.get("batch"), str(raw.get("trace", "")))
    return {REASON: found.reason} if found.reason else {"layer_s": found.layer_s}


def _plan(raw: Raw, file: str) -> Raw:
    """The best plan of a training step."""
    from planners.training.ask import plan_training

    found = plan_training(_scenario(raw, file), top=3)
    best = {f"best.{key}": value for key, value in found.best[0].items()} if found.best else {}
    counts = {"plans": found.found.plans, "feasible_plans": found.found.feasible, "feasible": bool(found.best)}
    return {**best, **counts}


ASKED = "asked"
"""table of a planner's scenario: what its command takes as options"""


def _parts(raw: Raw, file: str) -> tuple[Any, Raw]:
    """(the training question, the planner's own options)."""
    from scenarios.training import question_of

    return question_of(_scenario({k: v for k, v in raw.items() if k != ASKED}, file)), dict(raw.get(ASKED, {}))


def _groups(raw: Raw, file: str) -> Raw:
    """Groups of chips for sequences of unequal length."""
    from planners.training.groups import plan_groups
    from planners.training.uneven import sequences_of

    question, options = _parts(raw, file)
    found = plan_groups(sequences_of(question, list(options.get("lengths", []))))
    if found is None:
        return {"feasible": False, REASON: "the longest sequence fits no group"}
    times = {"time_s": found.time_s, "equal_groups_s": found.uniform_s, "bound_s": found.bound_s}
    return {"feasible": True, "groups": len(found.groups), **times}


def _stages(raw: Raw, file: str) -> Raw:
    """Layers of pipeline stages on ranks of unequal speed."""
    from planners.training.stages import plan_stages
    from planners.training.uneven import stages_of

    question, options = _parts(raw, file)
    found = plan_stages(stages_of(question, list(options.get("speeds", [])), [], None))
    if found is None:
        return {"feasible": False, REASON: "no split of the layers fits"}
    return {"feasible": True, "pipeline_s": found.time_s, "even_pipeline_s": found.even_s, "bound_s": found.bound_s}


def _power(raw: Raw, file: str) -> Raw:
    """Servers that a row feeds under control, and how it fares over a day; `asked.servers` fixes their number."""
    from planners.power.problem import PowerProblem, RowPlan
    from planners.power.question import curves_of
    from planners.power.replay import most_servers, replay
    from simcore.engine.power_control import PowerControl
    from simcore.spec.load import build_from_file

    options = dict(raw.get(ASKED, {}))
    problem = build_from_file(PowerProblem, {k: v for k, v in raw.items() if k not in (ASKED, "name")}, file)
    curves, control = curves_of(problem), PowerControl(**options.get("control", {}))
    if "servers" in options:
        names = [one.name for one in problem.classes]
        each = {name: int(options["servers"]) // len(names) for name in names}
        row = RowPlan(each, dict.fromkeys(names, 1.0), problem.nameplate_servers)
        return {"feasible": True, **replay(problem, curves, row, control, days=0.5).metrics()}
    row, found = most_servers(problem, curves, control, days=1.0)
    return {"feasible": True, "servers": row.total, "added_ratio": row.added_ratio, **found.metrics()}


def _search(raw: Raw, file: str) -> Raw:
    """What a method finds in a scenario's [vary] within its budget: hypervolume, and the best of each objective."""
    from planners.search.method import method
    from planners.search.run import Setting, search
    from planners.search.study import problem_of

    scenario = _scenario(raw, file)
    problem, own = problem_of(scenario), scenario.search
    setting = Setting(budget=own.budget, seed=own.seed, batch=own.batch, method_settings=own.settings)
    found = search(problem, method(own.method), setting)
    points, values = found.frontier
    best = {f"best.{one.name}": float(values[:, at].min()) for at, one in enumerate(problem.objectives) if len(points)}
    return {"feasible": bool(points), "points": len(points), "hypervolume": found.hypervolume, **best}


NO_SCENARIO = ("power", "tasks", "pim", "schedule", "experts", "accuracy")
"""evaluators whose file is something else"""


def command_of(name: str) -> tuple[str, bool]:
    """(the command that a user asks the same with, whether its file is a scenario).

    >>> command_of("train"), command_of("power")
    (('simcore train', True), ('simcore plan power', False))
    """
    planners = {"plan": "plan training", "groups": "plan groups", "stages": "plan stages", "power": "plan power"}
    planners |= dict.fromkeys(("step", "streams", "schedule"), "step")
    planners |= {"experts": "plan experts", "accuracy": "validate calibration"}
    planners |= {"tiers": "plan tiers", "pim": "validate pim"}
    return f"simcore {planners.get(name, name)}", name not in NO_SCENARIO


EVALUATORS: dict[str, Callable[[Raw, str], Raw]] = {
    "estimate": _estimate,
    "simulate": _simulate,
    "capacity": _capacity,
    "train": _train,
    "plan": _plan,
    "groups": _groups,
    "stages": _stages,
    "power": _power,
    "search": _search,
    "tasks": _tasks,
    "tiers": _tiers,
    "pim": _pim,
    "step": asked.step,
    "streams": asked.streams,
    "schedule": asked.schedule,
    "accuracy": kernels.accuracy,
    "experts": kernels.experts,
}
