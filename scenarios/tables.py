"""Tables of a file as values of a dataclass, each checked by its annotation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_type_hints

from simcore.errors import InputError, suggest

T = TypeVar("T")


def value_of(kind: type[T], table: Any, file: str, key: str) -> T:
    """A dataclass of numbers, truths and words from a table; a number may be 0 where that is its default.

    Raises InputError, with file and key."""
    if not isinstance(table, Mapping):
        raise InputError("is no table", file=file, key=key, fix="write { KEY = VALUE }")
    hints, known = get_type_hints(kind), {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    for name, value in table.items():
        if name not in known:
            raise InputError("unknown key", file=file, key=f"{key}.{name}", fix=suggest(name, known))
        if problem := _problem(hints[name], value, may_be_none=known[name].default == 0):
            raise InputError(f"{value!r} {problem}", file=file, key=f"{key}.{name}")
    try:
        return kind(**table)
    except TypeError:
        needed = [one.name for one in fields(kind) if one.name not in table and _is_needed(one)]  # type: ignore[arg-type]
        raise InputError("is missing", file=file, key=f"{key}.{needed[0]}", fix="add it") from None


def _is_needed(one: Any) -> bool:
    from dataclasses import MISSING

    return one.default is MISSING and one.default_factory is MISSING


MOST = 1e12
"""of anything counted here"""


def _problem(hint: Any, value: Any, may_be_none: bool) -> str:
    """What is wrong with a value; empty where nothing is."""
    if hint is bool:
        return "" if isinstance(value, bool) else "is neither true nor false"
    if words := get_args(hint):
        return "" if value in words else f"is none of {', '.join(map(str, words))}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "is no number"
    if hint is int and value != int(value):
        return "is no whole number"
    least_ok = value >= 0 if may_be_none else value > 0
    return "" if least_ok and value <= MOST else f"is not {'from 0' if may_be_none else 'above 0 and'} to {MOST:g}"
