"""TOML text to specs: strict about keys, units and sources; every complaint is one line with file, key and fix."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from simcore.errors import InputError, suggest
from simcore.spec.base import Sourced, Spec

S = TypeVar("S", bound=Spec)
Raw = dict[str, Any]


def read_toml(text: str, file: str) -> Raw:
    """Parse TOML; a syntax error names the line."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not valid TOML: {error}", file=file, fix="mend the syntax") from None


def read_file(path: str | Path, what: str) -> Raw:
    """A TOML or JSON file, by its ending, that should hold a `what`. Raises InputError naming the file."""
    file = Path(path)
    if file.suffix == ".json":
        return read_json(file)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError("no such file", file=str(path), fix=f"give the path of a {what} TOML") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", file=str(path)) from None
    return read_toml(text, str(path))


def read_json(path: Path) -> Raw:
    """Parse a JSON object from a file; raises InputError for a missing file and for a syntax error, with its line."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("no such file", file=str(path)) from None
    except json.JSONDecodeError as error:
        raise InputError(f"not valid JSON: {error}", file=str(path), fix="mend the syntax") from None
    if not isinstance(found, dict):
        raise InputError("is not a JSON object", file=str(path))
    return found


def merge(base: Raw, change: Raw) -> Raw:
    """`base` with `change` laid over it, tables merged, leaves replaced (quantities count as leaves)."""
    merged = dict(base)
    for key, value in change.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict) and "value" not in value
        merged[key] = merge(merged[key], value) if both_tables else value
    return merged


def derive(raw: Raw, file: str, base_text: Callable[[str], tuple[str, str]] | None) -> Raw:
    """Resolve `extends = "name"`: this file laid over the named spec; aliases are not inherited."""
    parent = raw.pop("extends", None)
    if parent is None:
        return raw
    if base_text is None:
        raise InputError("`extends` is not possible here", file=file, key="extends")
    text, parent_file = base_text(parent)
    base = derive(read_toml(text, parent_file), parent_file, base_text)
    base.pop("aliases", None)
    return merge(base, raw)


def build(kind: type[S], raw: Raw, file: str) -> S:
    """Validate `raw` as `kind`; quantities may be strings or SI floats. The first problem becomes an InputError."""
    return _validate(kind, raw, file, {})


def build_from_file(kind: type[S], raw: Raw, file: str) -> S:
    """As `build`, for what a person wrote: a quantity is a string with its unit; a `Sourced` spec names its source."""
    return _validate(kind, raw, file, {"file": True, "sources": issubclass(kind, Sourced)})


def _validate(kind: type[S], raw: Raw, file: str, context: Raw) -> S:
    raw = dict(raw)
    raw.pop("schema", None)
    if issubclass(kind, Sourced):
        raw["citations"] = citations(raw, file)
    try:
        return kind.model_validate(raw, context=context)
    except ValidationError as error:
        raise _as_input_error(kind, error, file) from None


def citations(raw: Raw, file: str) -> Raw:
    """Dotted path -> citation of every `{value, source}` leaf; a quantity without a declared source is refused."""
    declared = raw.get("sources", {})
    found: Raw = {}
    for path, leaf in _leaves(raw, ""):
        if "source" not in leaf:
            raise InputError("has no source", file=file, key=path, fix='add source = "..." (see [sources])')
        if leaf["source"] not in declared:
            raise InputError(
                f"source {leaf['source']!r} is not declared", file=file, key=path, fix=suggest(leaf["source"], declared)
            )
        extra = set(leaf) - {"value", "source", "note"}
        if extra:
            raise InputError(f"unknown key {min(extra)!r}", file=file, key=path, fix="a number has value, source, note")
        found[path] = {"source": leaf["source"], "note": leaf.get("note"), "text": str(leaf["value"])}
    return found


def _leaves(raw: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Raw]]:
    for key, value in raw.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            if "value" in value:
                yield path, value
            else:
                yield from _leaves(value, path + ".")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _leaves({str(index): item}, path + ".")


def _as_input_error(kind: type[Spec], error: ValidationError, file: str) -> InputError:
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    key = ".".join(place)
    if first["type"] == "extra_forbidden":
        return InputError("unknown key", file=file, key=key, fix=suggest(place[-1], _keys_at(kind, place[:-1])))
    if first["type"] == "missing":
        return InputError("is missing", file=file, key=key, fix="add it")
    problem = first["msg"].removeprefix("Value error, ")
    found = first.get("input")
    if isinstance(found, str | int | float | bool) and repr(found) not in problem:
        problem = f"{found!r}: {problem}"
    return InputError(problem, file=file, key=key)


def _keys_at(kind: Any, place: list[str]) -> list[str]:
    """Keys allowed at a place of a spec, for suggestions."""
    for part in place:
        fields: Mapping[str, FieldInfo] = getattr(kind, "model_fields", {})
        named = {info.alias or name: info for name, info in fields.items()}
        if part in named:
            kind = _inner(named[part].annotation)
    fields = getattr(kind, "model_fields", {})
    return [info.alias or name for name, info in fields.items() if name != "citations"]


def _inner(annotation: Any) -> Any:
    """The Spec class inside `dict[str, X]`, `tuple[X, ...]`, `X | None`."""
    for argument in getattr(annotation, "__args__", ()):
        inner = _inner(argument)
        if isinstance(inner, type) and issubclass(inner, Spec):
            return inner
    return annotation
