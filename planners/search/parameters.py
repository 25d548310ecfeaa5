"""Parameters of a space from what files say: an axis of [vary], or a table of [space] of search/1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from planners.axes import Axis
from planners.search.space import Parameter
from scenarios.fields import quantity
from simcore.errors import InputError, suggest
from simcore.spec.base import MOST_COUNT

FORMS = ("choices", "ordinal", "integer", "float")


def of_axis(axis: Axis) -> Parameter:
    """The parameter of an axis. Raises InputError for an empty range and for a choice that is a table.

    >>> of_axis(Axis("plan.tp", (1, 2, 4), ordered=True)).kind, of_axis(Axis("plan.kv", ("bf16", "fp8"))).kind
    ('ordinal', 'categorical')
    """
    try:
        when = {name: tuple(map(choice, values)) for name, values in axis.when.items()}
        if not axis.is_range:
            values = tuple(map(choice, axis.values))
            return Parameter(axis.key, "ordinal" if axis.ordered else "categorical", values, when=when)
    except TypeError:
        raise InputError("a choice is a number, a word or a list", key=axis.key) from None
    bounds = {"low": axis.low, "high": axis.high, "log": axis.log, "steps": axis.steps}
    return Parameter(axis.key, "integer" if axis.integer else "float", when=when, **bounds)  # type: ignore[arg-type]


def choice(value: Any) -> Any:
    """A value that can be told from others: a list as a tuple. Raises TypeError for a table."""
    found = tuple(map(choice, value)) if isinstance(value, list | tuple) else value
    hash(found)
    return found


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
    given, listed = raw.get("when", {}), raw[form[0]]
    if not isinstance(given, dict):
        what = f"{given!r} is no condition"
        raise InputError(what, key=f"{name}.when", fix='write a table such as { kind = ["a"] }')
    if not isinstance(listed, list):
        raise InputError(f"{listed!r} is not a list", key=f"{name}.{form[0]}", fix="write it in brackets")
    when = {k: tuple(quantity(x) for x in (v if isinstance(v, list) else [v])) for k, v in given.items()}
    values = [quantity(v) for v in listed]
    if any(not isinstance(v, str | int | float) for v in (*values, *(x for v in when.values() for x in v))):
        raise InputError("a choice is a number or a word", key=name)
    if form[0] in ("choices", "ordinal"):
        return Parameter(name, "categorical" if form[0] == "choices" else "ordinal", tuple(values), when=when)
    return ranged(name, form[0] == "integer", values, raw, when)


def ranged(name: str, integer: bool, values: list[Any], raw: Mapping[str, Any], when: dict[str, Any]) -> Parameter:
    """integer = [low, high] or float = [low, high]. Raises InputError."""
    steps = raw.get("steps")
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or not 2 <= steps <= MOST_COUNT):
        raise InputError(f"{steps!r} is no count of steps", key=f"{name}.steps", fix="write a whole number from 2")
    if len(values) != 2 or any(isinstance(v, str | bool) or not math.isfinite(v) for v in values):
        raise InputError(f"{values!r} is not [low, high]", key=name, fix="write quantities such as '2 TB/s'")
    kind: Literal["integer", "float"] = "integer" if integer else "float"
    bounds = {"low": values[0], "high": values[1], "log": bool(raw.get("log", False)), "steps": steps}
    return Parameter(name, kind, when=when, **bounds)
