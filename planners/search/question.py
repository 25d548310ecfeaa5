"""A scenario as a search problem: [vary] is the space, [objective] the aims, [slo] the bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from planners.axes import axes_of
from planners.search.digests import calibration_digest, file_digests, hardware_digest
from planners.search.event import EventEvaluator
from planners.search.names import in_words_of, objective
from planners.search.parameters import of_axis
from planners.search.problem import Objective, Problem
from planners.search.scenario import ScenarioEvaluator
from planners.search.space import Parameter, Space
from planners.study import DEFAULT
from scenarios.estimate import case_of
from scenarios.resolved import resolve
from simcore.errors import InputError
from simcore.spec.expression import Expression
from simcore.spec.law_units import in_si
from simcore.spec.scenario import Scenario

COUNTED = ("attainment_ratio", "goodput_requests_per_s")
"""fields that need the bounds of [slo]; a question that aims at one is not bound by [slo] as well"""


def problem_of(scenario: Scenario) -> Problem:
    """The problem that a scenario states. Raises InputError naming file and key.

    Every value of the space has been tried once, alone: what remains wrong at a point is wrong in combination only, and
    such a point is infeasible.
    """
    try:
        return _problem(scenario)
    except InputError as error:
        error.file = error.file or scenario.file or scenario.name
        raise


def _problem(scenario: Scenario) -> Problem:
    parameters = parameters_of(scenario)
    keys = tuple(p.name for p in parameters)
    simulated = scenario.search.engine == "simulate"
    texts = tried(scenario, parameters, of_run if simulated else of_case)
    made: Any
    if simulated:
        if scenario.laws:
            what = "laws are for the analytic engine"
            raise InputError(what, key="laws", fix='leave them out, or search.engine = "estimate"')
        made = EventEvaluator(scenario, (*texts, calibration_digest(), hardware_digest(), *file_digests(scenario)))
    else:
        made = ScenarioEvaluator(scenario, laws_of(scenario), (*texts, calibration_digest(), hardware_digest()), keys)
    aims, aim = objectives(scenario, made.outputs), scenario.objective
    rules = [in_words_of(rule, keys, made.outputs) for rule in map(rule_of, (*aim.constraints, *bounds(scenario)))]
    inside = tuple(rule for rule in rules if set(keys).issuperset(rule.names))
    rest = tuple(rule for rule in rules if rule not in inside)
    return Problem(Space(parameters, inside), aims, made, rest, aim.reference, scenario.name)


def parameters_of(scenario: Scenario) -> tuple[Parameter, ...]:
    """The axes as parameters. Raises InputError."""
    axes = axes_of(scenario)
    if not axes:
        fix = 'write for example "plan.tp" = [1, 2, 4], or --vary plan.tp=1,2,4'
        raise InputError("has no axes", key="vary", fix=fix)
    try:
        found = tuple(of_axis(axis) for axis in axes.values())
        Space(found)
    except InputError as error:
        error.key = f"vary.{error.key}" if error.key and not error.key.startswith("vary") else error.key
        raise
    return found


def laws_of(scenario: Scenario) -> dict[str, Expression]:
    """The laws, read. Raises InputError naming the law."""
    found = {}
    for name, text in scenario.laws.items():
        try:
            found[name] = Expression(in_si(name, text))
        except InputError as error:
            error.key = f"laws.{name}"
            raise
    return found


def rule_of(text: str) -> Expression:
    """A constraint, read."""
    try:
        return Expression(text)
    except InputError as error:
        error.key = "objective.constraints"
        raise


def objectives(scenario: Scenario, outputs: tuple[str, ...]) -> tuple[Objective, ...]:
    """What is improved; cost and TPOT where the scenario does not say. Raises InputError."""
    aim = scenario.objective
    low, high = aim.minimise, aim.maximise
    if not low and not high:
        low = DEFAULT
    stated = any(getattr(scenario.slo, n) is not None for n in ("ttft_s", "tpot_s", "e2e_s")) or scenario.slo.classes
    for name in (*low, *high):
        if name in COUNTED and not stated:
            raise InputError(f"{name} counts what meets [slo]", key="slo", fix='write for example ttft = "1 s"')
    found = (*((name, False) for name in low), *((name, True) for name in high))
    return tuple(objective(name, maximise, outputs) for name, maximise in found)


def bounds(scenario: Scenario) -> Iterator[str]:
    """The bounds of [slo] as constraints: of the estimate's figures, or of the share of requests that meet them."""
    slo, aim = scenario.slo, scenario.objective
    said = {name: getattr(slo, name) for name in ("ttft_s", "tpot_s", "e2e_s") if getattr(slo, name) is not None}
    named = (*aim.minimise, *aim.maximise, *(n for text in aim.constraints for n in rule_of(text).names))
    if scenario.search.engine == "estimate":
        yield from (f"{name} <= {value!r}" for name, value in said.items())
    elif (said or slo.classes) and not any(name in COUNTED for name in named):
        yield f"attainment_ratio >= {slo.attainment!r}"
    if scenario.search.engine == "simulate":
        more = {"itl_p99_s": slo.itl_p99_s, "queue_p50_s": slo.queue_p50_s}
        yield from (f"{name} <= {value!r}" for name, value in more.items() if value is not None)


def tried(scenario: Scenario, parameters: tuple[Parameter, ...], look: Callable[[Scenario], str]) -> tuple[str, ...]:
    """What the specs behind every listed value say, each value tried alone. Raises InputError for a wrong one."""
    texts: dict[str, None] = {}
    for changes in alone(parameters):
        try:
            texts[look(scenario.set({**changes, "vary": {}}))] = None
        except InputError as error:
            if error.key != "plan":
                raise
    return tuple(texts)


def alone(parameters: tuple[Parameter, ...]) -> Iterator[dict[str, Any]]:
    """The first values of all that is always there, then each other value with what it depends on."""
    first = {p.name: p.choices[0] if p.choices else p.at(np.zeros(1))[0] for p in parameters}
    known = {p.name: p for p in parameters}
    always = {p.name: first[p.name] for p in parameters if not p.when}
    yield always
    for p in parameters:
        for value in p.choices or (first[p.name],):
            if p.when or value != first[p.name]:
                yield {**always, **parents(p, known), p.name: value}


def parents(parameter: Parameter, known: dict[str, Parameter]) -> dict[str, Any]:
    """Values under which a parameter exists."""
    found: dict[str, Any] = {}
    for name, values in parameter.when.items():
        found |= {**parents(known[name], known), name: values[0]}
    return found


def of_case(scenario: Scenario) -> str:
    """Everything that decides an estimate beside the code and what is fitted."""
    case, _ = case_of(scenario)
    return case.model_dump_json(exclude={"served"})


def of_run(scenario: Scenario) -> str:
    """Everything that decides a run beside its traffic, the code and what is fitted."""
    if scenario.steps is not None:
        return scenario.steps.model_dump_json()
    found = resolve(scenario)
    return found.model.model_dump_json() + found.system.model_dump_json()
