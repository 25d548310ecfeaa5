"""A question's answers: scenarios made of variant, inputs and settings, evaluated once each; no claim is in sight."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simcore.errors import InputError
from simcore.spec.scenario import put
from studies.evaluators import Raw, evaluate
from studies.form import Question, Settings

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Point:
    """Which scenario of a question."""

    variant: str
    settings: Settings = field(default_factory=dict)
    """set last, over the variant's own"""
    inputs: Settings = field(default_factory=dict)
    """by name: values in place of the inputs' own"""

    @property
    def key(self) -> str:
        return json.dumps([self.variant, self.settings, self.inputs], default=str)


@dataclass
class Answers:
    """Evaluates points of one question and keeps what they said."""

    question: Question
    rows: dict[str, Raw] = field(default_factory=dict)
    """by `Point.key`"""
    by_scenario: dict[str, Raw] = field(default_factory=dict)

    def of(self, point: Point) -> Raw:
        """Every number of a point. Raises InputError."""
        if point.key not in self.rows:
            raw = scenario_of(self.question, point)
            verb = self.question.variant(point.variant).evaluator or self.question.evaluator
            text = json.dumps([verb, raw], sort_keys=True, default=str)
            if text not in self.by_scenario:
                self.by_scenario[text] = evaluate(verb, raw, self.question.file)
            self.rows[point.key] = self.by_scenario[text]
        return self.rows[point.key]


def scenario_of(question: Question, point: Point) -> Raw:
    """The tables of a point's scenario: the base, the inputs, the variant, then the settings. Raises InputError."""
    raw: Raw = copy.deepcopy(dict(question.scenario))
    raw.setdefault("name", question.name)
    variant = question.variant(point.variant)
    for one in question.inputs:
        if one.key and (not one.variants or variant.label in one.variants):
            place(raw, one.key, point.inputs.get(one.name, one.value), question.file)
    for key, value in [*variant.set.items(), *point.settings.items()]:
        place(raw, key, copy.deepcopy(value), question.file)
    return with_own(raw, question)


LOADS = ("batch", "users", "rate_per_s")


def place(raw: Raw, key: str, value: Any, file: str) -> None:
    """Set a dotted key, or leave it out (`"none"`); one load takes the place of another, a plan's dp that of chips."""
    parents, _, last = key.rpartition(".")
    if value == "none":
        here: Any = raw
        for parent in parents.split(".") if parents else ():
            here = here.get(parent, {}) if isinstance(here, dict) else {}
        here.pop(last, None)
        return
    put(raw, key, value, file)
    others = {"traffic": LOADS, "plan": ("dp", "chips")}.get(parents, ())
    for other in others if last in others else ():
        if other != last:
            raw[parents].pop(other, None)


def with_own(raw: Raw, question: Question) -> Raw:
    """Names of models and systems that the study writes itself become its tables, in a schedule's questions too."""
    for part in (raw, *(ask for ask in raw.get("asks", {}).values() if isinstance(ask, dict))):
        _own_parts(part, question)
    return raw


def _own_parts(raw: Raw, question: Question) -> None:
    model, hardware = raw.get("model"), raw.get("hardware")
    if isinstance(model, dict) and model.get("name") in question.models:
        table = question.models[model["name"]]
        raw["model"] = laid({"schema": "model/1", **copy.deepcopy(dict(table))}, model)
    elif isinstance(model, dict) and len(model) > 1 and "schema" not in model and "name" in model:
        raw["model"] = {"schema": "model/1", "extends": model["name"], "aliases": [], **model, "name": "changed"}
    if isinstance(hardware, dict) and hardware.get("system") in question.systems:
        name = hardware["system"]
        hardware["system"] = inline(copy.deepcopy(dict(question.systems[name])), name, question)


def laid(base: Any, change: Any) -> Any:
    """`change` over `base`: tables are merged, an entry of a list is named by its number.

    >>> laid({"a": [{"b": 1, "c": 2}]}, {"a": {"0": {"b": 3}}})
    {'a': [{'b': 3, 'c': 2}]}
    """
    if isinstance(base, list) and isinstance(change, dict):
        return [laid(one, change[str(at)]) if str(at) in change else one for at, one in enumerate(base)]
    if isinstance(base, dict) and isinstance(change, dict):
        return {**base, **{key: laid(base.get(key), value) for key, value in change.items()}}
    return change


def inline(table: Raw, name: str, question: Question) -> Raw:
    """A system written in place; the chip or node inside it may be one of the study's too."""
    if "schema" not in table:
        raise InputError(
            "is missing", file=question.file, key=f"systems.{name}.schema", fix="chip/1, node/1, cluster/1"
        )
    for part in ("chip", "node"):
        inner = table.get(part)
        if isinstance(inner, str) and inner in question.systems:
            table[part] = inline(copy.deepcopy(dict(question.systems[inner])), inner, question)
    return {"name": name, **table}
