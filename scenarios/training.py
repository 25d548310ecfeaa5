"""A scenario with [training] as the question that the training engine answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hardware_specs.training import framework
from scenarios.homes import several
from scenarios.prices import rented
from scenarios.resolved import UNSAID, find, refuse_models_keys, system_with
from scenarios.stacks import cost_model, default_stack, release
from simcore.cost.machine import machine_of
from simcore.cost.storage import tier_read_bytes_per_s
from simcore.engine.training.job import Degrees, Job, Offload
from simcore.errors import InputError, said_in
from simcore.spec.load import build
from simcore.spec.plan_part import PlanPart
from simcore.spec.recipe import Recipe
from simcore.spec.scenario import Scenario
from simcore.spec.system import System
from simcore.step.framework import Framework
from simcore.step.training import Trainee

OFFLOADED = ("weights", "gradients", "optimizer", "activations")
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

        with said_in(scenario.file, "training.recipe"):
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
    for name in ("weights", "experts", "activations", "kv", "layers"):
        if getattr(part, name):
            fix = "training.precision says what matrices multiply in"
            raise InputError("is a format of serving", file=file, key=f"plan.{name}", fix=fix)
    if part.collective != "auto":
        fix = "training.exchange and training.sync_interval say what travels, and how often"
        raise InputError("is of serving", file=file, key="plan.collective", fix=fix)
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
    for part in UNSAID:
        if getattr(scenario, part):
            raise InputError("is for serving", file=scenario.file, key=part, fix="leave it out")
    if scenario.policy.model_fields_set:
        raise InputError("is for serving", file=scenario.file, key="policy", fix="leave it out")
    assert scenario.model is not None and scenario.hardware is not None
    model, told = find("model", scenario.model.value, scenario.file, "model.name")
    system, more = find("system", scenario.hardware.system, scenario.file, "hardware.system")
    for path, value in scenario.hardware.changes.items():
        system = system_with(system, path, value, scenario.file)
    system = rented(scenario, system)
    recipe, degrees = recipe_of(scenario), degrees_of(scenario.plan, scenario.file)
    system, housed = several(system, degrees.chips)
    if degrees.chips > system.max_chips:
        what = f"the plan needs {degrees.chips} chips, {system.name} has {system.max_chips}"
        raise InputError(what, file=scenario.file, key="plan", fix="name a larger cluster")
    asked = scenario.hardware.stack or default_stack(system.chip)
    named, learnt = release(asked, Path(scenario.file).parent, scenario.file or None)
    job, heard = job_on(model, system, recipe, degrees, named.stack)
    job = replace(job, offload=offload_of(scenario, system))
    said = (*scenario.notes, *told, *more, *housed, *learnt, *heard)
    return Question(scenario, job, system, tuple(dict.fromkeys(said)))


def offload_of(scenario: Scenario, system: System) -> dict[str, Offload]:
    """Classes of tensors outside the main tier. Raises InputError for classes of serving and for unknown tiers."""
    found = {}
    for name, place in scenario.residency.items():
        if place.home == "main":
            continue
        key, known = f"residency.{name}", ", ".join(OFFLOADED)
        if name not in OFFLOADED:
            raise InputError("is no class of training", file=scenario.file, key=key, fix=f"known: {known}")
        refuse_models_keys(place, key, scenario.file)
        if "fetch" in place.model_fields_set and place.fetch != "step":
            raise InputError("is fetched beside each pass", file=scenario.file, key=f"{key}.fetch", fix="leave it out")
        try:
            rate = float(tier_read_bytes_per_s(system, place.home))
        except KeyError as error:
            raise InputError(str(error.args[0]), file=scenario.file, key=key) from None
        found[name] = Offload(rate, place.share)
    return found


def job_on(
    model: Any, system: System, recipe: Recipe, degrees: Degrees, stack: Any, trainee: Trainee | None = None
) -> tuple[Job, tuple[str, ...]]:
    """(the job of a plan on a system, what to tell)."""
    constants, told = framework(recipe.framework, system.chip.name)
    model = model.in_plan_formats
    trainee = trainee or trainee_of(model, system, recipe.precision, stack)
    chip = system.chip
    have = chip.memory[chip.main_tier].reported_bytes
    reserve = chip.reserve_bytes + RESERVE_BYTES
    return Job(trainee, recipe, degrees, Framework(**constants), have, reserve), ((told,) if told else ())


def trainee_of(model: Any, system: System, precision: str, stack: Any) -> Trainee:
    """Operators of a model on a system, multiplied in a precision."""
    kernel = KERNEL_FORMATS.get(precision, precision)
    machine = machine_of(system, kernel, kernel, kernel if kernel != "bf16" else "bf16")
    return Trainee(model, machine, cost_model(system.chip, stack))
