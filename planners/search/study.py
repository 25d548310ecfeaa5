"""What `search` reads: a scenario (schema scenario/2; older searches of one too), or a search that is none (search/1).

search/1 remains for what no scenario states: a problem that is shipped, or a Python function with a space of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from planners.search.function import FunctionEvaluator, imported
from planners.search.parameters import parameter
from planners.search.problem import Objective, PointEvaluator, Problem
from planners.search.space import Space
from scenarios.migrate import SEARCHES
from scenarios.read import read
from simcore.errors import InputError, suggest
from simcore.spec.base import MOST_COUNT, Count, FileName, Spec, name_of
from simcore.spec.expression import Expression
from simcore.spec.load import build_from_file, read_file
from simcore.spec.scenario import Scenario

SCHEMA = "search/1"


class Aim(Spec):
    """Outputs to improve; `reference` is the corner of the hypervolume, minimised outputs first."""

    minimise: tuple[str, ...] = ()
    """outputs to make small"""
    maximise: tuple[str, ...] = ()
    """outputs to make large"""
    reference: tuple[float, ...] | None = None
    """corner of the hypervolume, minimised outputs first; None: from the worst answers seen"""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        return (*(Objective(n) for n in self.minimise), *(Objective(n, True) for n in self.maximise))


class EvaluatorChoice(Spec):
    """Who answers: a Python function, or a shipped problem."""

    kind: Literal["python", "builtin"]
    """a function of one's own (`call`), or a shipped problem (`name`)"""
    call: str | None = None
    """python: module:function, installed or in a file beside the study; runs with --allow-code only"""
    outputs: tuple[str, ...] = ()
    """python: names of what the function gives"""
    noisy: bool = False
    """python: answers are draws; the function takes a `seed` beside the parameters"""
    version: str = "1"
    """python: answers are kept under it; change it when something that the function calls changes"""
    name: str | None = None
    """builtin: tiered or queue"""


class SearchChoice(Spec):
    """Defaults of the command's options."""

    method: str = "surrogate"
    """a file of `planners/search/methods`"""
    budget: float = Field(default=200, gt=0, le=MOST_COUNT)
    """in full evaluations; cheaper ones count in part"""
    seed: int = Field(default=0, ge=0)
    """of the method's own draws"""
    batch: Count | None = None
    """points asked for at once; None: as the method likes"""
    settings: dict[str, Any] = Field(default_factory=dict)
    """of the method, by name"""


class SearchStudy(Spec):
    """A search whose answers come from no scenario."""

    name: FileName
    """by which answers are named; the file's own where it is left out"""
    title: str = ""
    """in words, for reports"""
    file: str = ""
    evaluator: EvaluatorChoice
    """who answers"""
    space: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """python: parameter -> one of `choices`, `ordinal` (lists), `integer`, `float` ([low, high]), with `log`, `steps`,
    `when`"""
    constraints: tuple[str, ...] = ()
    """what a point must keep, arithmetic on parameters and outputs"""
    objective: Aim = Aim()
    """outputs to improve"""
    search: SearchChoice = SearchChoice()
    """defaults of the command's options"""


Asked = Scenario | SearchStudy
"""both have name, title, file and search"""


def read_search(path: str | Path, changes: Mapping[str, Any] | None = None) -> Asked:
    """What a file asks, with keys of a scenario set. Raises InputError naming file, key and fix."""
    raw = read_file(path, "search")
    evaluator = raw.get("evaluator", {})
    kind = evaluator.get("kind", "analytic") if isinstance(evaluator, dict) else None
    if raw.get("schema") != SCHEMA or kind in SEARCHES:
        return read(path, changes)
    if changes:
        raise InputError("has no keys of a scenario", file=str(path), key="--set", fix="change the file")
    raw.setdefault("name", name_of(str(path)))
    return build_from_file(SearchStudy, raw, str(path)).replace(file=str(path))


def problem_of(asked: Asked, allow_code: bool = False) -> Problem:
    """Everything that a question's names stand for. Raises InputError naming file and key.

    One that names a Python function is refused unless `allow_code` says that its code is trusted.
    """
    if isinstance(asked, Scenario):
        from planners.search.question import problem_of as of_scenario

        return of_scenario(asked)
    try:
        return builtin(asked) if asked.evaluator.kind == "builtin" else coded(asked, allow_code)
    except InputError as error:
        error.file = error.file or asked.file or asked.name
        raise


def coded(study: SearchStudy, allow_code: bool) -> Problem:
    """The problem around a Python function."""
    made, space = function_of(study, allow_code), space_of(study)
    inside = {rule.text for rule in space.constraints}
    rest = tuple(rule for rule in map(Expression, study.constraints) if rule.text not in inside)
    return Problem(space, study.objective.objectives, made, rest, study.objective.reference, study.name)


def space_of(study: SearchStudy) -> Space:
    """The space of a study, with those constraints that name parameters only. Raises InputError."""
    try:
        parameters = tuple(parameter(name, raw) for name, raw in study.space.items())
        names = {p.name for p in parameters}
        return Space(parameters, tuple(e for e in map(Expression, study.constraints) if names.issuperset(e.names)))
    except InputError as error:
        error.file = error.file or study.file or study.name
        error.key = f"space.{error.key}" if error.key and not error.key.startswith("space") else error.key
        raise


def builtin(study: SearchStudy) -> Problem:
    """A shipped problem."""
    from planners.search import synthetic

    problems = {"tiered": synthetic.tiered_problem, "queue": synthetic.queue_problem}
    name = study.evaluator.name or ""
    if name not in problems:
        raise InputError(f"unknown problem {name!r}", key="evaluator.name", fix=suggest(name, problems))
    return problems[name]()


def function_of(study: SearchStudy, allow_code: bool) -> PointEvaluator:
    """The Python function that a study names. Raises InputError for what is missing and for code not allowed."""
    choice = study.evaluator
    if not choice.call or not choice.outputs:
        raise InputError("needs call and outputs", key="evaluator")
    function = imported(choice.call, Path(study.file).parent, allow_code)
    return FunctionEvaluator(function, choice.outputs, choice.noisy, choice.version)
