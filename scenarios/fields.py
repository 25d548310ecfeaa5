"""Any field of a spec by its dotted path, by the names of the files (`chip.memory.hbm.read_bandwidth`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from simcore.errors import InputError, suggest
from simcore.spec.base import Spec
from simcore.units import parse

UNITS = ("byte/s", "byte", "flop/s", "s", "W", "Hz", "USD", "USD/h", "J/byte", "J/flop", "USD/kWh", "kg/kWh", "kg")


def read(spec: Any, path: str) -> Any:
    """The value at a path. Raises InputError with the nearest names."""
    here = spec
    for part in path.split("."):
        here = _children(here, path).get(part, _ABSENT)
        if here is _ABSENT:
            parent = _parent(spec, path, part)
            raise InputError(f"there is no {part!r}", key=path, fix=suggest(part, _children(parent, path)))
    return here


def changed(spec: Any, path: str, value: Any) -> Any:
    """A copy of `spec` with one value (SI) replaced, validated. Raises InputError for a bad path or value.

    Assumed numbers keep their citations: the change is the question, not a fact.
    """
    part, _, rest = path.partition(".")
    child = read(spec, part)
    new = changed(child, rest, value) if rest else value
    if isinstance(spec, Spec):
        name = _field(spec, part)
        try:
            fields = {n: getattr(spec, n) for n in type(spec).model_fields}
            return type(spec).model_validate(fields | {name: new})
        except ValidationError as error:
            raise InputError(f"{value!r}: {error.errors()[0]['msg']}", key=path) from None
    if isinstance(spec, Mapping):
        return {**spec, part: new}
    return tuple(new if i == int(part) else item for i, item in enumerate(spec))


def quantity(value: Any) -> Any:
    """A quantity string in SI; anything else as it is.

    >>> quantity("2 TB/s"), quantity("fp8"), quantity(4)
    (2000000000000.0, 'fp8', 4)
    """
    if not isinstance(value, str) or not value[:1].isdigit():
        return value
    for unit in UNITS:
        try:
            return parse(value, unit)
        except ValueError:
            continue
    return value


def _field(spec: Spec, part: str) -> str:
    named = {info.alias: name for name, info in type(spec).model_fields.items() if info.alias}
    return named.get(part, part)


def _children(here: Any, path: str) -> dict[str, Any]:
    """What a path may go on with: field names and aliases, keys of tables, positions of arrays."""
    if isinstance(here, Spec):
        fields = type(here).model_fields
        found = {name: getattr(here, name) for name in fields}
        return found | {info.alias: getattr(here, name) for name, info in fields.items() if info.alias}
    if isinstance(here, Mapping):
        return {str(key): value for key, value in here.items()}
    if isinstance(here, tuple | list):
        return {str(i): item for i, item in enumerate(here)}
    return {}


def _parent(spec: Any, path: str, part: str) -> Any:
    parts = path.split(".")
    return read(spec, ".".join(parts[: parts.index(part)])) if parts.index(part) else spec


_ABSENT = object()
