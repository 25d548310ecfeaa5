"""Names of a schedule as numbers, worked out when first asked for: values, answers of other verbs, facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from planners.tasks.asks import answer, scenario_of
from planners.tasks.facts import KINDS, model_facts, system_facts
from planners.tasks.form import Number, Schedule
from scenarios.fields import quantity
from simcore.errors import InputError, suggest
from simcore.spec.expression import Expression

MOST = 1e30
"""of any number that a person writes down"""
NO_LOCALS: Mapping[str, Any] = {}


@dataclass
class Values:
    """Every number that a schedule may name."""

    schedule: Schedule
    known: dict[str, float] = field(default_factory=dict)
    asked: dict[str, tuple[dict[str, float], str]] = field(default_factory=dict)
    """what other verbs said, and why they said no"""
    open: list[str] = field(default_factory=list)
    """names that are being worked out"""

    def number(self, text: Number, key: str, local: Mapping[str, Any] = NO_LOCALS) -> Any:
        """The value of a number, a quantity or an expression, which may be an array where `local` holds arrays.

        Raises InputError naming the key for unknown names, circles and what is not finite.
        """
        read = quantity(text)
        if not isinstance(read, str):
            if not abs(read) < MOST:
                raise InputError(f"{read!r} is beyond reason", file=self.schedule.file, key=key, fix="mend it")
            return float(read)
        try:
            made = Expression(read)
            columns = {name: local[name] if name in local else self.of(name) for name in made.names}
            found = made.number(columns)
        except InputError as error:
            error.file, error.key = error.file or self.schedule.file, error.key or key
            raise
        if not np.isfinite(found).all():
            raise InputError(f"{read!r} is not finite", file=self.schedule.file, key=key, fix="mind what it divides by")
        return found

    def of(self, name: str) -> float:
        """The value of one name. Raises InputError."""
        if name not in self.known:
            if name in self.open:
                circle = " -> ".join([*self.open[self.open.index(name) :], name])
                raise InputError(f"depends on itself: {circle}", key=f"values.{name}")
            self.open.append(name)
            self.known[name] = self._found(name)
            self.open.pop()
        return self.known[name]

    def _found(self, name: str) -> float:
        kind, _, rest = name.partition(".")
        if name in self.schedule.values:
            return float(self.number(self.schedule.values[name], f"values.{name}"))
        if rest and kind in self.schedule.asks:
            found, reason = self._answer(kind)
            return self._picked(found, rest, f"{name}: {reason}" if reason else name)
        if rest and kind in KINDS:
            return self._picked(self.facts, name, name)
        known = [*self.schedule.values, *(f"{ask}." for ask in self.schedule.asks)]
        raise InputError(f"unknown name {name!r}", fix=suggest(name, known) or "write it in [values]")

    @staticmethod
    def _picked(table: Mapping[str, float], key: str, name: str) -> float:
        if key not in table:
            raise InputError(f"there is no {name}", fix=suggest(key, table))
        return table[key]

    def _answer(self, name: str) -> tuple[dict[str, float], str]:
        if name not in self.asked:
            key = f"asks.{name}"
            shared = dict(self.schedule.tables)
            self.asked[name] = answer(
                name, self.schedule.asks[name], shared, lambda text: float(self.number(text, key)), self.schedule.file
            )
        return self.asked[name]

    @cached_property
    def facts(self) -> dict[str, float]:
        """Of [model] and of [hardware], where they are there; of `[hardware.host]`'s chip too."""
        from scenarios.resolved import find, resolve

        tables, file = self.schedule.tables, self.schedule.file
        found: dict[str, float] = {}
        if "hardware" in tables and "model" in tables:
            load = {"input_tokens": 1, "output_tokens": 1, "batch": 1}
            asked = {"model": tables["model"], "hardware": tables["hardware"], "traffic": load}
            whole = resolve(scenario_of(asked, file))
            found |= {f"model.{key}": float(value) for key, value in model_facts(whole.model).items()}
            found |= system_facts(whole.system)
            if whole.system.node is not None and whole.system.node.host:
                host = find("chip", whole.system.node.host, file, "hardware.node.host")[0]
                mine = system_facts(type(whole.system)(chip=host))
                found |= {f"host.{key}": value for key, value in mine.items() if key.startswith("chip.")}
        return found
