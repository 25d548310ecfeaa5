"""A search study: a space, objectives and constraints around a scenario, read from TOML (schema search/1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from planners.evaluate import Evaluator
from planners.search.expression import Expression
from planners.search.fields import quantity
from planners.search.function import FunctionEvaluator, imported
from planners.search.problem import Objective, PointEvaluator, Problem
from planners.search.scenario import ScenarioEvaluator
from planners.search.space import Parameter, Space
from planners.study import HardwareChoice, ModelChoice, SloChoice, TrafficChoice
from planners.study import Study as SweepStudy
from planners.sweep import Resolve, demand_of, located, prices_of
from simcore.errors import InputError, suggest
from simcore.spec.base import Spec
from simcore.spec.hardware import Chip
from simcore.spec.load import build, build_from_file, read_toml
from simcore.spec.plan import ParallelPlan
from simcore.spec.policy import ServingPolicy
from simcore.spec.scenario import Scenario


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
    """python: package.module:function"""
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

    name: str
    title: str = ""
    file: str = ""
    model: ModelChoice | None = None
    traffic: TrafficChoice | None = None
    hardware: HardwareChoice | None = None
    plan: dict[str, Any] = Field(default_factory=dict)
    policy: ServingPolicy = ServingPolicy()
    batch: int = Field(default=1, ge=1)
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
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError("no such file", file=str(path), fix="give the path of a search study") from None
    raw = read_toml(text, str(path))
    if raw.get("schema") != "search/1":
        raise InputError("is not a search study", file=str(path), key="schema", fix='write schema = "search/1"')
    raw.setdefault("name", file.stem)
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
    when = {k: tuple(quantity(x) for x in (v if isinstance(v, list) else [v])) for k, v in raw.get("when", {}).items()}
    values = [quantity(v) for v in raw[form[0]]]
    if form[0] in ("choices", "ordinal"):
        return Parameter(name, "categorical" if form[0] == "choices" else "ordinal", tuple(values), when=when)
    if len(values) != 2 or any(isinstance(v, str) for v in values):
        raise InputError(f"{raw[form[0]]!r} is not [low, high]", key=name, fix="write quantities such as '2 TB/s'")
    kind: Literal["integer", "float"] = "integer" if form[0] == "integer" else "float"
    bounds = {"low": values[0], "high": values[1], "log": bool(raw.get("log", False)), "steps": raw.get("steps")}
    return Parameter(name, kind, when=when, **bounds)


def problem_of(
    study: SearchStudy,
    resolve: Resolve,
    cost_model: Callable[[Chip, str], Any],
    calibration: str = "",
    evaluator: PointEvaluator | None = None,
) -> Problem:
    """Everything that a study's names stand for; `evaluator` replaces the one that the study names."""
    if study.evaluator.kind == "builtin":
        return builtin(study)
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


def evaluator_of(
    study: SearchStudy, resolve: Resolve, cost_model: Callable[[Chip, str], Any], calibration: str
) -> PointEvaluator:
    """The evaluator that a study names. Raises InputError for what is missing."""
    choice = study.evaluator
    if choice.kind == "python":
        if not choice.call or not choice.outputs:
            raise InputError("needs call and outputs", file=study.file, key="evaluator")
        return FunctionEvaluator(imported(choice.call), choice.outputs, choice.noisy, choice.version)
    base, systems = scenario_of(study, resolve)
    laws = {name: Expression(text) for name, text in study.laws.items()}
    return ScenarioEvaluator(base, Evaluator(systems, cost_model), laws, calibration)


def scenario_of(study: SearchStudy, resolve: Resolve) -> tuple[Scenario, dict[str, Any]]:
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
    base = Scenario(
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
