"""What a search method is: it is asked for candidates and told what they gave. One file per method in `methods/`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from planners.search.space import Array, Parameter, Space
from simcore.errors import InputError, suggest
from simcore.registry import GROUPS, PluginRegistry


@dataclass(frozen=True)
class Task:
    """What a method may know before it starts."""

    space: Space
    objectives: int
    budget: float
    """in full evaluations"""
    seed: int
    costs: tuple[float, ...] = (1.0,)
    """price of an evaluation per level of fidelity, the last one full"""
    noisy: bool = False


@dataclass(frozen=True)
class Ask:
    """Candidates: canonical units [points, parameters], and the level of fidelity wanted."""

    units: Array
    level: int = -1


@dataclass(frozen=True)
class Told:
    """Answers, in the order asked: objectives are minimised and NaN where `violation` is above 0."""

    units: Array
    values: Array
    violation: Array
    level: int = -1


class Searcher(Protocol):
    """A running method. The same task and the same answers give the same candidates: that is what makes resuming safe.

    `ask` gives at most `count` rows that keep the space's constraints, and none when it has nothing left to ask.
    """

    def ask(self, count: int) -> Ask: ...
    def tell(self, told: Told) -> None: ...


def suits_all(task: Task) -> str | None:
    return None


@dataclass(frozen=True)
class Method:
    """A method as the registry holds it, under the attribute METHOD of its module."""

    name: str
    make: Callable[..., Searcher]
    """(task, **settings) -> searcher"""
    about: str
    batch: int = 1
    """candidates asked for at once"""
    independent: bool = False
    """answers do not change what is asked next, so that shards can share the work"""
    tunables: Space | None = None
    """settings that may be drawn; conditions are allowed"""
    suits: Callable[[Task], str | None] = suits_all
    """why it cannot do this task; None if it can"""

    def start(self, task: Task, **settings: Any) -> Searcher:
        """A searcher. Raises InputError for an unknown setting and for a task that the method cannot do."""
        known = self.tunables.names if self.tunables else ()
        for name in settings:
            if name not in known:
                raise InputError(f"unknown setting {name!r}", key=f"method {self.name}", fix=suggest(name, known))
        problem = self.suits(task)
        if problem:
            raise InputError(f"cannot search this space: {problem}", key=f"method {self.name}")
        return self.make(task, **settings)


METHODS: PluginRegistry = PluginRegistry("search method", "planners.search.methods", "METHOD", GROUPS["method"])


def method(name: str) -> Method:
    """A shipped method by name. Raises UnknownName with the nearest ones."""
    found: Method = METHODS(name)
    return found


def tunables(*parameters: Parameter) -> Space:
    return Space(tuple(parameters))


class Archive:
    """Everything a searcher was told at full fidelity, as arrays."""

    def __init__(self, task: Task) -> None:
        self.units: Array = np.empty((0, len(task.space)))
        self.values: Array = np.empty((0, task.objectives))
        self.violation: Array = np.empty(0)
        self.seen: set[bytes] = set()

    def __len__(self) -> int:
        return len(self.units)

    def add(self, told: Told) -> None:
        self.units = np.concatenate([self.units, told.units])
        self.values = np.concatenate([self.values, told.values])
        self.violation = np.concatenate([self.violation, told.violation])
        self.seen.update(row.tobytes() for row in told.units)

    @property
    def feasible(self) -> NDArray[np.bool_]:
        return self.violation <= 0

    def parents(self) -> Array:
        """Units of the frontier; where nothing is feasible, the rows nearest to it; empty before the first answer."""
        from planners.pareto import non_dominated

        if self.feasible.any():
            return self.units[non_dominated(self.values)]
        return self.units[np.argsort(self.violation, kind="stable")[:5]]

    def scaled(self) -> Array:
        """Objectives with 0 at the best seen and 1 at the frontier's worst, logarithmic beyond.

        Infeasible rows lie where the worst feasible ones do and above, by their violation.
        """
        from planners.pareto import non_dominated

        good = self.feasible
        if not good.any():
            return np.tile(1.0 + np.minimum(self.violation, 1.0)[:, None], (1, self.values.shape[1]))
        low = self.values[good].min(axis=0)
        high = np.maximum(self.values[non_dominated(self.values)].max(axis=0), np.median(self.values[good], axis=0))
        scaled = (self.values - low) / np.where(high > low, high - low, 1.0)
        with np.errstate(invalid="ignore"):
            scaled = np.where(scaled > 1, 1 + 0.5 * np.log(np.maximum(scaled, 1.0)), scaled)
        bad = max(1.0, float(scaled[good].max())) + 0.2 * np.minimum(self.violation, 1.0)
        return np.where(good[:, None], scaled, bad[:, None])

    def is_new(self, unit: Array) -> bool:
        return unit.tobytes() not in self.seen


def chebyshev(scaled: Array, weight: Array) -> Array:
    """Augmented weighted Chebyshev norm of rows in [0, 1] (Knowles 2006, ParEGO): its minima cover the frontier."""
    weighted = scaled * weight
    return np.asarray(weighted.max(axis=1) + 0.05 * weighted.sum(axis=1))


def weights(rng: np.random.Generator, objectives: int) -> Array:
    """A random direction on the simplex."""
    return np.asarray(rng.dirichlet(np.ones(objectives)))


def features(space: Space, units: Array) -> Array:
    """Columns for a regression: one-hot for categorical parameters, the unit for ordered ones, activity flags."""
    columns = []
    active = space.active(units)
    for i, p in enumerate(space.parameters):
        unit = units[:, i]
        if p.ordered:
            columns.append(unit)
        else:
            level = np.minimum((unit * len(p.choices)).astype(int), len(p.choices) - 1)
            columns.extend(((level == k) & active[:, i]).astype(float) for k in range(len(p.choices)))
        if p.when:
            columns.append(active[:, i].astype(float))
    return np.stack(columns, axis=1)
