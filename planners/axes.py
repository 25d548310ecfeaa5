"""The axes of [vary]: any key of a scenario, as a list of values or a range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

import numpy as np

from scenarios.fields import quantity
from simcore.errors import InputError, suggest
from simcore.kept.lazy import dataclass
from simcore.spec.scenario import Scenario, other_loads

ENGINE_NAMES = {
    "hardware.system": "system",
    "traffic.batch": "batch",
    "residency.kv": "kv_tier",
    "residency.weights": "weight_tier",
}
"""scenario keys that planners know under another name, beside plan.* and policy.*"""
TABLE_KEYS = ("values", "ordered", "low", "high", "steps", "log", "integer", "when")
MOST_STEPS = 100_000
FLAT_METRICS = ("ttft", "tpot", "e2e")
OTHER_FIELDS = {"itl_mean_s": "tpot_s", "queue_mean_s": "queue_s"}


@dataclass(frozen=True)
class Axis:
    """One axis: a list of values, or a range; active only where `when` holds."""

    key: str
    values: tuple[Any, ...] = ()
    ordered: bool = False
    low: float = 0.0
    high: float = 0.0
    steps: int | None = None
    log: bool = False
    integer: bool = False
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def is_range(self) -> bool:
        """Whether it is a range rather than a list."""
        return not self.values

    def listed(self) -> tuple[Any, ...]:
        """The values to walk; a range needs `steps`, or whole numbers. Raises InputError."""
        if self.values:
            return self.values
        if self.steps is None and not self.integer:
            raise InputError("a range has no end of values to walk", key=f"vary.{self.key}", fix="give steps")
        count = self.steps or int(self.high - self.low) + 1
        if count > MOST_STEPS:
            raise InputError(f"has {count:,} values", key=f"vary.{self.key}", fix=f"at most {MOST_STEPS:,}")
        spaced = np.geomspace(self.low, self.high, count) if self.log else np.linspace(self.low, self.high, count)
        if self.integer:
            return tuple(int(v) for v in np.unique(np.rint(spaced)))
        return tuple(float(v) for v in spaced)


def axes_of(scenario: Scenario) -> dict[str, Axis]:
    """The axes of a scenario by key. Raises InputError naming file and key."""
    try:
        found = {key: axis(key, raw) for key, raw in scenario.vary.items()}
        check_load(scenario)
        for place, (key, one) in enumerate(found.items()):
            earlier = [*found][:place]
            for name in one.when:
                if name not in earlier:
                    what = f"depends on {name!r}, which is no earlier axis"
                    raise InputError(what, key=f"vary.{key}.when", fix=suggest(name, earlier))
        return found
    except InputError as error:
        error.file = error.file or scenario.file
        raise


def check_load(scenario: Scenario) -> None:
    """Raise InputError where one load varies and another is stated: both cannot be asked."""
    for varied in scenario.vary:
        for key in other_loads([varied]):
            if getattr(scenario.traffic, key.removeprefix("traffic."), None) is not None:
                what = f"give one load: {varied} varies and {key} is stated"
                raise InputError(what, key=f"vary.{varied}", fix="drop one of them")


def check_values(scenario: Scenario, axes: Iterable[Axis]) -> None:
    """Set each value alone, of a range the first and the last. Raises InputError; a plan as a whole is not judged."""
    scenario = scenario.replace(vary={})
    for one in axes:
        listed = one.listed()
        for value in (listed[0], listed[-1]) if one.is_range else listed:
            try:
                scenario.set({one.key: value})
            except InputError as error:
                if error.key != "plan":
                    raise


def axis(key: str, raw: Any) -> Axis:
    """One entry of [vary]. Raises InputError.

    >>> axis("plan.tp", [1, 2, 4]).listed(), axis("traffic.batch", {"low": 1, "high": 3, "integer": True}).listed()
    ((1, 2, 4), (1, 2, 3))
    """
    place = f"vary.{key}"
    if isinstance(raw, list | tuple):
        raw = {"values": list(raw)}
    if not isinstance(raw, Mapping):
        raise InputError(f"{raw!r} is no axis", key=place, fix="write a list, or { low = ..., high = ... }")
    for name in raw:
        if name not in TABLE_KEYS:
            raise InputError(f"unknown key {name!r}", key=place, fix=suggest(name, TABLE_KEYS))
    if not isinstance(raw.get("when", {}), Mapping):
        raise InputError("is no table", key=f"{place}.when", fix='write when = { "hardware.system" = ["h100-sxm"] }')
    given = {k: v if isinstance(v, list | tuple) else [v] for k, v in raw.get("when", {}).items()}
    when = {k: tuple(quantity(v) for v in values) for k, values in given.items()}
    if "values" in raw:
        if not isinstance(raw["values"], list | tuple):
            raise InputError(f"{raw['values']!r} is no list", key=f"{place}.values", fix="write values = [1, 2]")
        values = tuple(quantity(v) for v in raw["values"])
        if not values:
            raise InputError("has no values", key=place)
        if len(set(map(repr, values))) < len(values):
            raise InputError("names a value twice", key=place, fix="name each once")
        ordered = bool(raw.get("ordered", all(_is_number(v) for v in values)))
        return Axis(key, values, ordered, when=when)
    return ranged(key, raw, when)


def ranged(key: str, raw: Mapping[str, Any], when: Mapping[str, tuple[Any, ...]]) -> Axis:
    """An axis { low, high, steps, log, integer }. Raises InputError."""
    place, ends = f"vary.{key}", [quantity(raw.get(end)) for end in ("low", "high")]
    if not all(_is_number(end) for end in ends) or not ends[0] <= ends[1]:
        raise InputError(f"{ends!r} is not low and high", key=place, fix="write { low = 1, high = 8 }")
    if raw.get("log") and ends[0] <= 0:
        raise InputError("a logarithmic range begins above 0", key=place)
    steps = raw.get("steps")
    if steps is not None and (not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS):
        raise InputError(f"steps = {steps!r}", key=place, fix=f"a whole number from 1 to {MOST_STEPS:,}")
    return Axis(
        key,
        low=float(ends[0]),
        high=float(ends[1]),
        steps=steps,
        log=bool(raw.get("log", False)),
        integer=bool(raw.get("integer", False)),
        when=when,
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def combinations(axes: Mapping[str, Axis]) -> Iterator[dict[str, Any]]:
    """Every combination of the axes' values; an axis whose `when` does not hold is left out of a combination.

    >>> list(combinations({"a": Axis("a", (1, 2)), "b": Axis("b", (3,), when={"a": (2,)})}))
    [{'a': 1}, {'a': 2, 'b': 3}]
    """
    seen: set[tuple[tuple[str, str], ...]] = set()
    sizes = [axis.listed() for axis in axes.values()]
    for place in np.ndindex(*(len(values) for values in sizes)):
        point = {key: values[i] for (key, values), i in zip(zip(axes, sizes, strict=True), place, strict=True)}
        kept: dict[str, Any] = {}
        for key, value in point.items():
            if _holds(axes[key], kept):
                kept[key] = value
        mark = tuple((key, repr(value)) for key, value in kept.items())
        if mark not in seen:
            seen.add(mark)
            yield kept


def _holds(axis: Axis, point: Mapping[str, Any]) -> bool:
    return all(point.get(name) in values for name, values in axis.when.items())


def engine_name(key: str) -> str:
    """The planners' name of a scenario key or of a flat field of results.

    >>> engine_name("plan.tp"), engine_name("hardware.chip.power.tdp"), engine_name("ttft_p50_s")
    ('tp', 'chip.power.tdp', 'ttft_s')
    """
    if key in ENGINE_NAMES:
        return ENGINE_NAMES[key]
    for head in ("plan.", "policy."):
        if key.startswith(head):
            return key.removeprefix(head)
    if key.startswith("hardware.") and key.count(".") > 1:
        return key.removeprefix("hardware.")
    for metric in FLAT_METRICS:
        if key in (f"{metric}_mean_s", f"{metric}_p50_s"):
            return f"{metric}_s"
    return OTHER_FIELDS.get(key, key)
