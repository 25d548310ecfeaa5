"""A scenario with [training] as the question that the training engine answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hardware_specs
from hardware_specs.training import framework
from scenarios.homes import several
from scenarios.resolved import find, system_with
from scenarios.stacks import cost_model, default_stack
from simcore.cost.machine import machine_of
from simcore.engine.training.job import Degrees, Job
from simcore.errors import InputError
from simcore.spec.load import build
from simcore.spec.plan_part import PlanPart
from simcore.spec.recipe import Recipe
from simcore.spec.scenario import Scenario
from simcore.spec.system import System
from simcore.step.framework import Framework
from simcore.step.training import Trainee

UNHONOURED = ("fleet", "power", "attention_ffn", "steps", "traffic")
KERNEL_FORMATS = {"fp16": "bf16", "mxfp8": "fp8"}
"""precision -> format whose kernel tables answer"""
RESERVE_BYTES = 2.0e9
"""CUDA context, communicators, workspaces of a training process; order of magnitude of public memory snapshots"""


@dataclass(frozen=True)
class Question:
    """A training question with its names looked up."""

    scenario: Scenario
    job: Job
    system: System
    notes: tuple[str, ...] = ()


def recipe_of(scenario: Scenario) -> Recipe:
    """The [training] table over the recipe that it names. Raises InputError."""
    given = dict(scenario.training or {})
    if "recipe" in given:
        from workloads.training import recipe

        given = {**recipe(str(given["recipe"])), **given}
    try:
        return build(Recipe, given, scenario.file)
    except InputError as error:
        error.key = f"training.{error.key}" if error.key else "training"
        raise


def degrees_of(part: Any, file: str) -> Degrees:
    """Degrees of a training plan; dp what the chips leave. Raises InputError for what only serving has."""
    if not isinstance(part, PlanPart):
        raise InputError("holds a serving plan", file=file, key="plan")
    if part.attention_dp > 1:
        fix = "give dp, and [training] expert_tp for the experts' own mapping"
        raise InputError("is a degree of serving", file=file, key="plan.attention_dp", fix=fix)
    for name in ("weights", "experts", "activations", "kv"):
        if getattr(part, name) is not None:
            fix = "training.precision says what matrices multiply in"
            raise InputError("is a format of serving", file=file, key=f"plan.{name}", fix=fix)
    return Degrees(part.tp, part.pp, part.replicas, part.cp, part.ep, part.vpp, part.sp)


def question_of(scenario: Scenario) -> Question:
    """The question of a scenario. Raises InputError where a part is missing, unknown or another verb's."""
    if scenario.training is None:
        what, fix = "is missing", "add [training]: what is trained, with which recipe"
        raise InputError(what, file=scenario.file, key="training", fix=fix)
    for part in UNHONOURED:
        if getattr(scenario, part) is not None:
            what = f"the training engine does not know [{part}]"
            raise InputError(what, file=scenario.file, key=part, fix="leave it out")
    if scenario.residency:
        raise InputError("the training engine does not know [residency] yet", file=scenario.file, key="residency")
    assert scenario.model is not None and scenario.hardware is not None
    model, told = find("model", scenario.model.value, scenario.file, "model.name")
    system, more = find("system", scenario.hardware.system, scenario.file, "hardware.system")
    for path, value in scenario.hardware.changes.items():
        system = system_with(system, path, value, scenario.file)
    recipe, degrees = recipe_of(scenario), degrees_of(scenario.plan, scenario.file)
    system, housed = several(system, degrees.chips)
    if degrees.chips > system.max_chips:
        what = f"the plan needs {degrees.chips} chips, {system.name} has {system.max_chips}"
        raise InputError(what, file=scenario.file, key="plan", fix="name a larger cluster")
    stack = scenario.hardware.stack if isinstance(scenario.hardware.stack, str) else default_stack(system.chip)
    job, heard = job_on(model, system, recipe, degrees, str(stack))
    return Question(scenario, job, system, tuple(dict.fromkeys((*scenario.notes, *told, *more, *housed, *heard))))


def job_on(
    model: Any, system: System, recipe: Recipe, degrees: Degrees, stack: str, trainee: Trainee | None = None
) -> tuple[Job, tuple[str, ...]]:
    """(the job of a plan on a system, what to tell)."""
    constants, told = framework(recipe.framework, system.chip.name)
    trainee = trainee or trainee_of(model, system, recipe.precision, stack)
    chip = system.chip
    have = chip.memory[chip.main_tier].reported_bytes
    reserve = chip.reserve_bytes + RESERVE_BYTES
    return Job(trainee, recipe, degrees, Framework(**constants), have, reserve), ((told,) if told else ())


def trainee_of(model: Any, system: System, precision: str, stack: str) -> Trainee:
    """Operators of a model on a system, multiplied in a precision."""
    kernel = KERNEL_FORMATS.get(precision, precision)
    machine = machine_of(system, kernel, kernel, kernel if kernel != "bf16" else "bf16")
    return Trainee(model, machine, cost_model(system.chip, stack))


def folder_of(scenario: Scenario) -> Path:
    """What names in the file are relative to."""
    return Path(scenario.file).parent


def economics_of(scenario: Scenario) -> Any:
    """Prices of time and power."""
    stated = {k: v for k, v in scenario.economics.items() if k != "usd_per_hour"}
    return hardware_specs.economics("default").changed(stated, scenario.file)
