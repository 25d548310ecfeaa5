"""A search study: a space, objectives and constraints around a scenario, read from TOML (schema search/1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from planners.evaluate import Evaluator
from planners.search.expression import Expression
from planners.search.function import FunctionEvaluator, imported
from planners.search.problem import Objective, PointEvaluator, Problem
from planners.search.scenario import ScenarioEvaluator
from planners.search.space import Parameter, Space
from planners.study import HardwareChoice, ModelChoice, SloChoice, TrafficChoice
from planners.study import Study as SweepStudy
from planners.sweep import Resolve, demand_of, located, prices_of
from scenarios.fields import quantity
from simcore.errors import InputError, suggest
from simcore.spec.base import MOST_COUNT, Count, FileName, Spec, name_of
from simcore.spec.case import Case
from simcore.spec.hardware import Chip
from simcore.spec.load import build, build_from_file, read_file
from simcore.spec.plan import ParallelPlan
from simcore.spec.policy import ServingPolicy


class Aim(Spec):
    """Outputs to improve; `reference` is the corner of the hypervolume, minimised outputs first."""

    minimise: tuple[str, ...] = ()
    maximise: tuple[str, ...] = ()
    reference: tuple[float, ...] | None = None

    @property
    def objectives(self) -> tuple[Objective, ...]:
        return (*(Objective(n) for n in self.minimise), *(Objective(n, True) for n in self.maximise))


class EvaluatorChoice(Spec):
    """Who answers: the analytic engine, the event engine on a scenario file, a Python function, a shipped problem."""

    kind: Literal["analytic", "event", "python", "builtin"] = "analytic"
    call: str | None = None
    """python: module:function, installed or in a file beside the study; runs with --allow-code only"""
    outputs: tuple[str, ...] = ()
    noisy: bool = False
    version: str = "1"
    scenario: str | None = None
    """event: scenario file, relative to the study"""
    name: str | None = None
    """builtin: tiered or queue"""


class SearchChoice(Spec):
    """Defaults of the command's options."""

    method: str = "surrogate"
    budget: float = Field(default=200, gt=0)
    seed: int = 0
    batch: int | None = Field(default=None, ge=1)
    settings: dict[str, Any] = Field(default_factory=dict)


class SearchStudy(Spec):
    """The question of a search."""

    name: FileName
    title: str = ""
    file: str = ""
    model: ModelChoice | None = None
    traffic: TrafficChoice | None = None
    hardware: HardwareChoice | None = None
    plan: dict[str, Any] = Field(default_factory=dict)
    policy: ServingPolicy = ServingPolicy()
    batch: Count = 1
    quantile: float = Field(default=0.5, gt=0, lt=1)
    economics: dict[str, Any] = Field(default_factory=dict)
    evaluator: EvaluatorChoice = EvaluatorChoice()
    space: dict[str, dict[str, Any]] = Field(default_factory=dict)
    laws: dict[str, str] = Field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    objective: Aim = Aim()
    search: SearchChoice = SearchChoice()


def read_search(path: str | Path) -> SearchStudy:
    """Read a study file. Raises InputError naming file, key and fix."""
    file = Path(path)
    raw = read_file(path, "search study")
    if raw.get("schema") != "search/1":
        raise InputError("is not a search study", file=str(path), key="schema", fix='write schema = "search/1"')
    raw.setdefault("name", name_of(file))
    return build_from_file(SearchStudy, raw, str(path)).replace(file=str(path))


def space_of(study: SearchStudy) -> Space:
    """The space of a study, with those constraints that name parameters only. Raises InputError."""
    try:
        parameters = tuple(parameter(name, raw) for name, raw in study.space.items())
        names = {p.name for p in parameters}
        own = tuple(e for e in map(Expression, study.constraints) if names.issuperset(e.names))
        return Space(parameters, own)
    except InputError as error:
        error.file = error.file or study.file or study.name
        error.key = f"space.{error.key}" if error.key and not error.key.startswith("space") else error.key
        raise


FORMS = ("choices", "ordinal", "integer", "float")


def parameter(name: str, raw: Mapping[str, Any]) -> Parameter:
    """One entry of [space]: a table with one of choices = [...], ordinal = [...], integer = [low, high] and
    float = [low, high], and with log, steps and when = {other = [values]}; quantities are strings with units.

    Raises InputError for unknown keys and ranges that are none.

    >>> parameter("batch", {"integer": [1, 8]}).values()
    [1, 2, 3, 4, 5, 6, 7, 8]
    """
    for key in raw:
        if key not in (*FORMS, "log", "steps", "when"):
            raise InputError(f"unknown key {key!r}", key=name, fix=suggest(key, (*FORMS, "log", "steps", "when")))
    form = [f for f in FORMS if f in raw]
    if len(form) != 1:
        raise InputError("needs one of choices, ordinal, integer, float", key=name)
    given, listed = raw.get("when", {}), raw[form[0]]
    if not isinstance(given, dict):
        what = f"{given!r} is no condition"
        raise InputError(what, key=f"{name}.when", fix='write a table such as { system = ["h200-sxm"] }')
    if not isinstance(listed, list):
        raise InputError(f"{listed!r} is not a list", key=f"{name}.{form[0]}", fix="write it in brackets")
    when = {k: tuple(quantity(x) for x in (v if isinstance(v, list) else [v])) for k, v in given.items()}
    values = [quantity(v) for v in listed]
    if any(not isinstance(v, str | int | float) for v in (*values, *(x for v in when.values() for x in v))):
        raise InputError("a choice is a number or a word", key=name)
    if form[0] in ("choices", "ordinal"):
        return Parameter(name, "categorical" if form[0] == "choices" else "ordinal", tuple(values), when=when)
    steps = raw.get("steps")
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or not 2 <= steps <= MOST_COUNT):
        raise InputError(f"{steps!r} is no count of steps", key=f"{name}.steps", fix="write a whole number from 2")
    if len(values) != 2 or any(isinstance(v, str | bool) or not math.isfinite(v) for v in values):
        raise InputError(f"{raw[form[0]]!r} is not [low, high]", key=name, fix="write quantities such as '2 TB/s'")
    kind: Literal["integer", "float"] = "integer" if form[0] == "integer" else "float"
    bounds = {"low": values[0], "high": values[1], "log": bool(raw.get("log", False)), "steps": steps}
    return Parameter(name, kind, when=when, **bounds)


def problem_of(
    study: SearchStudy,
    resolve: Resolve,
    cost_model: Callable[[Chip, str], Any],
    calibration: str = "",
    evaluator: PointEvaluator | None = None,
    allow_code: bool = False,
) -> Problem:
    """Everything that a study's names stand for; `evaluator` replaces the one that the study names.

    A study that names a Python function is refused unless `allow_code` says that its code is trusted.
    """
    if study.evaluator.kind == "builtin":
        return builtin(study)
    if evaluator is None and study.evaluator.kind == "python":
        evaluator = function_of(study, allow_code)
    made = evaluator or evaluator_of(study, resolve, cost_model, calibration)
    space = space_of(study)
    inside = {e.text for e in space.constraints}
    rest = tuple(e for e in map(Expression, study.constraints) if e.text not in inside)
    try:
        return Problem(space, study.objective.objectives, made, rest, study.objective.reference, study.name)
    except InputError as error:
        error.file = error.file or study.file or study.name
        raise


def builtin(study: SearchStudy) -> Problem:
    from planners.search import synthetic

    problems = {"tiered": synthetic.tiered_problem, "queue": synthetic.queue_problem}
    name = study.evaluator.name or ""
    if name not in problems:
        raise InputError(
            f"unknown problem {name!r}", file=study.file, key="evaluator.name", fix=suggest(name, problems)
        )
    return problems[name]()


def function_of(study: SearchStudy, allow_code: bool) -> PointEvaluator:
    """The Python function that a study names. Raises InputError for what is missing and for code not allowed."""
    choice = study.evaluator
    try:
        if not choice.call or not choice.outputs:
            raise InputError("needs call and outputs", key="evaluator")
        function = imported(choice.call, Path(study.file).parent, allow_code)
    except InputError as error:
        error.file = error.file or study.file
        raise
    return FunctionEvaluator(function, choice.outputs, choice.noisy, choice.version)


def evaluator_of(
    study: SearchStudy, resolve: Resolve, cost_model: Callable[[Chip, str], Any], calibration: str
) -> PointEvaluator:
    """The analytic engine around the scenario of a study. Raises InputError for what is missing."""
    base, systems = scenario_of(study, resolve)
    laws = {name: Expression(text) for name, text in study.laws.items()}
    return ScenarioEvaluator(base, Evaluator(systems, cost_model), laws, calibration)


def scenario_of(study: SearchStudy, resolve: Resolve) -> tuple[Case, dict[str, Any]]:
    """(base scenario, systems by name). Raises InputError naming what is unknown or missing."""
    if study.model is None or study.traffic is None or study.hardware is None:
        raise InputError("needs [model], [traffic] and [hardware]", file=study.file or study.name)
    sweep = SweepStudy(
        name=study.name,
        file=study.file,
        model=study.model,
        traffic=study.traffic,
        hardware=study.hardware,
        slo=SloChoice(quantile=study.quantile),
        economics=study.economics,
    )
    with located(sweep, "hardware.systems"):
        systems = {name: resolve("system", name) for name in study.hardware.systems}
    with located(sweep, "model.name"):
        model = resolve("model", study.model.name)
    base = Case(
        model=model,
        system=next(iter(systems.values())),
        plan=build(ParallelPlan, study.plan, study.file or study.name),
        policy=study.policy,
        demand=demand_of(sweep, resolve),
        economics=prices_of(sweep, resolve),
        batch=study.batch,
        stack=study.hardware.stack,
        quantile=study.quantile,
    )
    return base, systems
