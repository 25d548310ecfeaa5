"""One question with some of its numbers changed: what a key is worth now, and what an answer then is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from planners.comparing.sides import Side, of_scenario
from planners.whatif.laws import followed
from planners.whatif.numbers import parts_of, system_of, worth
from scenarios.fields import quantity, read
from simcore.errors import InputError, suggest
from simcore.spec.scenario import Scenario
from simcore.spec.system import System

TIMES = re.compile(r"\s*([0-9.]+(?:[eE][+-]?\d+)?)\s*x\s*")
"""of a factor, such as 2x"""
MOST_FACTOR = 1e6


@dataclass(frozen=True)
class Number:
    """A cited number of the hardware."""

    value: float
    """in SI; rentals per hour"""
    assumed: bool
    text: str
    """as written"""


@dataclass(frozen=True)
class WhatIf:
    """A scenario and the figure that is asked for, by the analytic engine (`train` where it has [training])."""

    scenario: Scenario
    metric: str
    answers: dict[str, Side] = field(default_factory=dict)
    """by what was changed: nothing is priced twice"""

    @property
    def system(self) -> System:
        """What its hardware's name stands for, overrides included. Raises InputError."""
        return system_of(self.scenario)

    def side(self, changes: Mapping[str, Any]) -> Side:
        """The answer with keys set. Raises InputError for keys and values that are none."""
        known = repr(sorted(changes.items()))
        if known not in self.answers:
            more = followed(self.scenario, changes)
            asked = self.scenario.set({**changes, **more.keys})
            found = of_scenario(asked, "what if", "estimate", 1)
            self.answers[known] = replace(found, figures={**found.figures, **more.figures})
        return self.answers[known]

    def value(self, changes: Mapping[str, Any]) -> float:
        """The figure with keys set; nan where the plan then has no answer. Raises InputError for an unknown figure."""
        found = self.side(changes)
        if found.reason:
            return math.nan
        if self.metric not in found.figures:
            known = sorted(found.figures)
            raise InputError(f"no figure {self.metric!r}", key="--of", fix=suggest(self.metric, known))
        return found.figures[self.metric]

    def allowed(self, changes: Mapping[str, Any]) -> float:
        """As `value`; nan too where a spec refuses what is set."""
        try:
            return self.value(changes)
        except InputError as error:
            if error.key == "--of":
                raise
            return math.nan

    def now(self) -> float:
        """The figure as asked. Raises InputError where the plan has no answer."""
        found = self.side({})
        if found.reason:
            raise InputError(f"has no answer to change: {found.reason}", file=self.scenario.file)
        return self.value({})


def overlay(scenario: Scenario, changes: Mapping[str, Any]) -> dict[str, Any]:
    """`--set` values, `2x` as twice what is there now. Raises InputError."""
    system: System | None = None
    found = {}
    for key, value in changes.items():
        factor = TIMES.fullmatch(value) if isinstance(value, str) else None
        if factor is None:
            found[key] = value
            continue
        system = system or system_of(scenario)
        found[key] = scaled(worth(scenario, system, key), factor_of(factor.group(1), key))
    return found


def factor_of(text: str, key: str) -> float:
    """The number of a factor. Raises InputError."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0.0 < found <= MOST_FACTOR:
        raise InputError(f"{text[:40]}x is no factor", key=key, fix="write for example 2x or 0.5x")
    return found


def scaled(value: float, factor: float) -> float | int:
    """A number times a factor; whole where it was whole and still is."""
    found = value * factor
    return int(found) if isinstance(value, int) and found == int(found) else found


def numbers_of(system: System) -> dict[str, Number]:
    """Every cited number of chip, node and cluster that is above zero, by its key."""
    found: dict[str, Number] = {}
    for part, spec in parts_of(system).items():
        if spec is None:
            continue
        for path, cited in spec.citations.items():
            try:
                value = quantity(read(spec, path))
            except InputError:  # a number that the spec keeps in another form
                continue
            source = spec.sources.get(cited.source)
            if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
                guessed = source is not None and source.kind == "assumed"
                found[f"hardware.{part}.{path}"] = Number(value, guessed, cited.text)
    return found
