"""A design space: typed parameters with conditions and constraints, seen as points, as arrays in [0, 1] or as levels.

A point is a dict name -> value that holds the active parameters only. Methods work on `units`, [points, parameters] in
[0, 1]: a parameter with k levels owns k equal intervals; a continuous one is linear or logarithmic between its bounds.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, suggest
from simcore.spec.expression import Expression

Point = dict[str, Any]
Array = NDArray[np.float64]
Kind = Literal["categorical", "ordinal", "integer", "float"]
TRIES = 200
LOG_STEPS = 16


@dataclass(frozen=True)
class Parameter:
    """One thing that may vary.

    `categorical` and `ordinal` list `choices` (an ordinal's have an order); `integer` and `float` have bounds, `log`
    where ratios matter, and `steps` to put them on a grid (a logarithmic integer has 16 unless told). `when` names the
    values of earlier parameters under which this one exists. Raises InputError for a range that is empty or cannot be
    logarithmic.

    >>> Parameter.float("power_w", 100.0, 700.0, steps=4).values()
    [100.0, 300.0, 500.0, 700.0]
    """

    name: str
    kind: Kind
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    steps: int | None = None
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind in ("categorical", "ordinal"):
            if not self.choices:
                raise InputError("has no choices", key=self.name)
            if len(set(self.choices)) < len(self.choices):
                raise InputError("names a choice twice", key=self.name)
        elif not self.low < self.high:
            raise InputError(f"the range {self.low:g} to {self.high:g} is empty", key=self.name)
        elif self.log and self.low <= 0:
            raise InputError("a logarithmic range must start above 0", key=self.name)
        if self.steps is not None and self.steps < 2:
            raise InputError("steps must be at least 2", key=self.name)

    @classmethod
    def categorical(cls, name: str, *choices: Any, **rest: Any) -> Parameter:
        return cls(name, "categorical", choices, **rest)

    @classmethod
    def ordinal(cls, name: str, *choices: Any, **rest: Any) -> Parameter:
        return cls(name, "ordinal", choices, **rest)

    @classmethod
    def integer(cls, name: str, low: int, high: int, **rest: Any) -> Parameter:
        return cls(name, "integer", (), low, high, **rest)

    @classmethod
    def float(cls, name: str, low: float, high: float, **rest: Any) -> Parameter:
        return cls(name, "float", (), low, high, **rest)

    @property
    def ordered(self) -> bool:
        return self.kind != "categorical"

    @cached_property
    def levels(self) -> int | None:
        """How many distinct values there are; None: a continuum."""
        if self.choices:
            return len(self.choices)
        return self.steps if self.kind == "float" else len(self._table)

    def at(self, unit: Array) -> list[Any]:
        """Values at places in [0, 1]; discrete ones by interval."""
        if self.levels is None:
            return [float(v) for v in self._stretch(unit)]
        table = self._table
        index = np.minimum((unit * self.levels).astype(np.int64), self.levels - 1)
        return [table[i] for i in index]

    def values(self) -> list[Any]:
        """Every value of a discrete parameter, in order."""
        return list(self._table)

    @cached_property
    def _table(self) -> tuple[Any, ...]:
        if self.choices:
            return self.choices
        if self.kind == "integer":
            whole = int(self.high - self.low) + 1
            steps = self.steps or (LOG_STEPS if self.log else whole)
            return tuple(int(v) for v in np.unique(np.rint(self._stretch(np.linspace(0.0, 1.0, min(steps, whole))))))
        if self.steps is None:
            raise InputError("is continuous: it has no list of values", key=self.name, fix="give it steps")
        return tuple(float(v) for v in self._stretch(np.linspace(0.0, 1.0, self.steps)))

    def place(self, value: Any) -> builtins.float:
        """The unit of a value: the middle of its interval, or its place in the range."""
        if self.levels is not None:
            return (self._index(value) + 0.5) / self.levels
        if not self.low <= value <= self.high:
            raise InputError(f"{value!r} is outside {self.low:g} to {self.high:g}", key=self.name)
        if self.log:
            return float(np.log(value / self.low) / np.log(self.high / self.low))
        return float((value - self.low) / (self.high - self.low))

    def _index(self, value: Any) -> int:
        if value not in self._places:
            raise InputError(f"{value!r} is not a value of the space", key=self.name)
        return self._places[value]

    @cached_property
    def _places(self) -> dict[Any, int]:
        return {value: index for index, value in enumerate(self._table)}

    def _stretch(self, unit: Array) -> Array:
        if self.log:
            return np.asarray(self.low * (self.high / self.low) ** unit)
        return np.asarray(self.low + (self.high - self.low) * unit)


@dataclass(frozen=True)
class Space:
    """Parameters, and constraints between them such as `"tp * pp <= 8"`.

    Constraints here use parameters only and are respected before anything is evaluated; those on results belong to the
    problem. A constraint that names an inactive parameter holds. Raises InputError for double names, unknown
    conditions and conditions on later parameters.
    """

    parameters: tuple[Parameter, ...]
    constraints: tuple[Expression, ...] = ()

    def __post_init__(self) -> None:
        seen: dict[str, Parameter] = {}
        if not self.parameters:
            raise InputError("the space has no parameters", key="space")
        for parameter in self.parameters:
            if parameter.name in seen:
                raise InputError("is named twice", key=parameter.name)
            for name, values in parameter.when.items():
                if name not in seen:
                    raise InputError(
                        f"depends on {name!r}, which is not an earlier parameter",
                        key=parameter.name,
                        fix=suggest(name, seen),
                    )
                for value in values:
                    seen[name].place(value)
            seen[parameter.name] = parameter
        for constraint in self.constraints:
            for name in constraint.names:
                if name not in seen:
                    raise InputError(f"unknown parameter {name!r} in {constraint.text!r}", fix=suggest(name, seen))

    def __len__(self) -> int:
        return len(self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.parameters)

    @property
    def size(self) -> int | None:
        """Grid points before conditions and constraints; None where a parameter is continuous."""
        total = 1
        for p in self.parameters:
            if p.levels is None:
                return None
            total *= p.levels
        return total

    def points(self, units: Array) -> list[Point]:
        """Points of units [points, parameters], without their inactive parameters."""
        columns = [p.at(units[:, i]) for i, p in enumerate(self.parameters)]
        active = self._active(columns, len(units))
        rows, names = zip(*columns, strict=True), self.names
        if active.all():
            return [dict(zip(names, row, strict=True)) for row in rows]
        masks = active.tolist()
        return [
            {n: v for n, v, on in zip(names, row, mask, strict=True) if on}
            for row, mask in zip(rows, masks, strict=True)
        ]

    def units(self, points: Sequence[Point]) -> Array:
        """Units of points: interval middles for discrete parameters, 0.5 for inactive ones."""
        out = np.full((len(points), len(self)), 0.5)
        for column, p in enumerate(self.parameters):
            for row, point in enumerate(points):
                if p.name in point:
                    out[row, column] = p.place(point[p.name])
        return out

    def canonical(self, units: Array) -> Array:
        """Units snapped to what their points say: equal points have equal units."""
        out = np.empty_like(units)
        for column, p in enumerate(self.parameters):
            unit = np.clip(units[:, column], 0.0, 1.0)
            if p.levels is not None:
                unit = (np.minimum(np.floor(unit * p.levels), p.levels - 1) + 0.5) / p.levels
            out[:, column] = unit
        out[~self.active(out)] = 0.5
        return out

    def active(self, units: Array) -> NDArray[np.bool_]:
        """Which parameters exist at each row, [points, parameters]."""
        if not any(p.when for p in self.parameters):
            return np.ones(units.shape, bool)
        return self._active([p.at(units[:, i]) for i, p in enumerate(self.parameters)], len(units))

    def _active(self, columns: Sequence[Sequence[Any]], rows: int) -> NDArray[np.bool_]:
        active = np.ones((rows, len(self)), bool)
        place = {name: i for i, name in enumerate(self.names)}
        for column, p in enumerate(self.parameters):
            for name, values in p.when.items():
                parent = place[name]
                met = np.fromiter((v in values for v in columns[parent]), bool, rows)
                active[:, column] &= met & active[:, parent]
        return active

    def allowed(self, points: Sequence[Point]) -> NDArray[np.bool_]:
        """True where every constraint holds."""
        good = np.ones(len(points), bool)
        for constraint in self.constraints:
            told = np.array([all(n in point for n in constraint.names) for point in points], bool)
            rows = np.flatnonzero(told).tolist()
            if rows:
                columns = {n: np.array([points[r][n] for r in rows]) for n in constraint.names}
                good[rows] &= np.broadcast_to(constraint(columns), len(rows)).astype(bool)
        return good

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """`count` uniform canonical rows that keep the constraints. Raises InputError where none can be found."""
        return self.filled(lambda n: rng.random((n, len(self))), count)

    def filled(self, draw: Any, count: int) -> Array:
        """Rows of `draw(n)` that keep the constraints, `count` of them, in the order drawn."""
        kept: list[Array] = []
        have = 0
        for _ in range(TRIES):
            units = self.canonical(draw(max(count - have, 1)))
            if self.constraints:
                units = units[self.allowed(self.points(units))]
            kept.append(units)
            have += len(units)
            if have >= count:
                return np.concatenate(kept)[:count]
        if have:
            return np.concatenate(kept)
        raise InputError("no point keeps the constraints", key="space.constraints", fix="loosen them")

    def grid(self, rows: int = 16_384) -> Iterator[Array]:
        """Every allowed point once, as units, in blocks. Raises InputError where a parameter is continuous."""
        total = self.size
        if total is None:
            endless = next(p.name for p in self.parameters if p.levels is None)
            raise InputError("is continuous: no grid covers it", key=endless, fix="give it steps")
        shape = np.array([p.levels for p in self.parameters])
        for start in range(0, total, rows):
            index = np.stack(np.unravel_index(np.arange(start, min(start + rows, total)), tuple(shape)), axis=1)
            units = (index + 0.5) / shape
            active = self.active(units)
            units = units[((index == 0) | active).all(axis=1)]  # one row for all values of an inactive parameter
            units = self.canonical(units)
            if self.constraints and len(units):
                units = units[self.allowed(self.points(units))]
            if len(units):
                yield units

    def describe(self) -> dict[str, Any]:
        """Plain data that identifies the space."""
        return {
            "parameters": [
                [
                    p.name,
                    p.kind,
                    list(p.choices),
                    p.low,
                    p.high,
                    p.log,
                    p.steps,
                    {k: list(v) for k, v in p.when.items()},
                ]
                for p in self.parameters
            ],
            "constraints": [c.text for c in self.constraints],
        }
