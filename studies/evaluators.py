"""Verbs as functions from a scenario's tables to numbers, by name: what every user of these verbs is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from simcore.errors import InputError, suggest

Numbers = dict[str, float]
Raw = dict[str, Any]


def evaluate(name: str, raw: Raw, file: str) -> Numbers:
    """Every number of a verb's answer by its dotted name. Raises InputError for an unknown verb and for bad tables."""
    if name not in EVALUATORS:
        raise InputError(f"unknown evaluator {name!r}", file=file, key="evaluator", fix=suggest(name, EVALUATORS))
    return EVALUATORS[name](raw, file)


def numbers(answer: Mapping[str, Any], prefix: str = "") -> Numbers:
    """Finite numbers of nested tables by dotted name; true and false as 1 and 0.

    >>> numbers({"a": 1, "b": {"c": True, "d": "text", "e": None}})
    {'a': 1.0, 'b.c': 1.0}
    """
    found: Numbers = {}
    for key, value in answer.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{prefix}{key}.")
        elif hasattr(value, "item") and getattr(value, "size", 1) == 1:
            found |= numbers({key: value.item()}, prefix)
        elif isinstance(value, bool | int | float) and math.isfinite(value):
            found[f"{prefix}{key}"] = float(value)
    return found


def _scenario(raw: Raw, file: str) -> Any:
    from scenarios.read import from_raw

    return from_raw({"schema": "scenario/2", **raw}, file)


def _estimate(raw: Raw, file: str) -> Numbers:
    from planners.estimate import estimate

    found = estimate(_scenario(raw, file))
    return numbers(found.flat) | numbers(found.result.values) | {"parameters": float(found.resolved.model.parameters)}


def _simulate(raw: Raw, file: str) -> Numbers:
    from scenarios.simulate import simulate

    found = simulate(_scenario(raw, file))
    return numbers(found.report) | numbers(found.flat)


def _capacity(raw: Raw, file: str) -> Numbers:
    from scenarios.capacity import capacity

    return numbers(capacity(_scenario(raw, file), tolerance=TOLERANCE_RATIO))


TOLERANCE_RATIO = 0.02
"""relative width of the search for a rate: a fifth of the finest tolerance of a claim"""


def _train(raw: Raw, file: str) -> Numbers:
    from scenarios.train import train_scenario

    found = train_scenario(_scenario(raw, file))
    model = found.question.job.trainee.model
    sizes = {"parameters": float(model.parameters), "active_parameters": float(model.active_parameters)}
    step = found.step
    per_chip = step.model_flop / step.time_s / found.flat["chips"] if step.pipeline is not None else math.nan
    return numbers(found.flat) | sizes | numbers({"model_flop_per_s_per_chip": per_chip})


def _plan(raw: Raw, file: str) -> Numbers:
    """The best plan of a training step."""
    from planners.training.ask import plan_training

    found = plan_training(_scenario(raw, file), top=3)
    best = {f"best.{key}": value for key, value in found.best[0].items()} if found.best else {}
    counts = {"plans": found.found.plans, "feasible_plans": found.found.feasible, "feasible": bool(found.best)}
    return numbers(best | counts)


EVALUATORS: dict[str, Callable[[Raw, str], Numbers]] = {
    "estimate": _estimate,
    "simulate": _simulate,
    "capacity": _capacity,
    "train": _train,
    "plan": _plan,
}
