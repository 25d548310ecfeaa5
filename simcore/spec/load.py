"""TOML text to specs: strict about keys, units and sources; every complaint is one line with file, key and fix."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from simcore.errors import InputError, suggest
from simcore.spec import arguments
from simcore.spec.base import OURS, Sourced, Spec
from simcore.spec.complaints import told
from simcore.spec.kept import once

S = TypeVar("S", bound=Spec)
Raw = dict[str, Any]


MOST_BYTES = 64_000_000
"""of a file that a person writes"""
MOST_EXTENDS = 16


def read_text(path: str | Path, fix: str | None = None) -> str:
    """The text of a file that a person wrote. Raises InputError where there is none, and for what is no text."""
    file = str(arguments.path(path, "file"))
    try:
        with open(path, "rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise InputError(f"is larger than {MOST_BYTES / 1e6:g} MB", file=file, fix=fix)
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", file=file, fix=fix) from None
    except IsADirectoryError:
        raise InputError("is a folder, not a file", file=file, fix=fix) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"line {line} is not UTF-8", file=file, fix="save it as UTF-8") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", file=file, fix=fix) from None


def read_toml(text: str, file: str) -> Raw:
    """Parse TOML; a syntax error names the line."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError("is nested too deeply", file=file, fix="mend the syntax") from None
    except ValueError as error:  # TOMLDecodeError, and numbers of thousands of digits
        raise InputError(f"not valid TOML: {error}", file=file, fix="mend the syntax") from None


def read_file(path: str | Path, what: str) -> Raw:
    """A TOML or JSON file, by its ending, that should hold a `what`. Raises InputError naming the file."""
    file = arguments.path(path, what)
    if file.suffix == ".json":
        return read_json(file)
    return read_toml(read_text(file, f"give the path of a {what} TOML"), str(path))


def json_of(text: str) -> Any:
    """The value of a JSON text. Raises ValueError as `json.loads`, for NaN, Infinity and 1e999, none of which is JSON,
    and for a key that stands twice."""
    return json.loads(text, parse_constant=_not_json, parse_float=_finite, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> Raw:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"the key {next(k for at, k in enumerate(names) if k in names[:at])[:40]!r} stands twice")
    return found


def _not_json(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def read_json(path: Path, infinite: bool = False) -> Raw:
    """Parse a JSON object from a file; raises InputError for a missing file and for a syntax error, with its line.

    With `infinite` the words Infinity and NaN, which Python writes and JSON has not, are numbers: whoever asks for them
    looks where they stand.
    """
    try:
        text = read_text(path)
        found = json.loads(text, object_pairs_hook=_once) if infinite else json_of(text)
    except RecursionError:
        raise InputError("is nested too deeply", file=str(path), fix="mend the syntax") from None
    except ValueError as error:  # JSONDecodeError, and numbers of thousands of digits
        raise InputError(f"not valid JSON: {error}", file=str(path), fix="mend the syntax") from None
    if not isinstance(found, dict):
        raise InputError("is not a JSON object", file=str(path))
    return found


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of an .npz file, nothing unpickled. Raises InputError for what is no whole archive of arrays."""
    return arrays_of(path, str(path))


def arrays_of(source: Any, file: str) -> dict[str, Any]:
    """As `read_arrays`, of a path or an open file of bytes; `file` names it in complaints."""
    import struct
    import zipfile
    import zlib

    import numpy as np

    broken: tuple[type[Exception], ...] = (OSError, ValueError, LookupError, EOFError, AttributeError, RuntimeError)
    broken += (SyntaxError, TypeError, zipfile.BadZipFile, zlib.error, struct.error)
    try:
        with np.load(source, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except FileNotFoundError:
        raise InputError("no such file", file=file) from None
    except broken:
        raise InputError("is not a whole npz archive of arrays", file=file, fix="write it again") from None


def merge(base: Raw, change: Raw) -> Raw:
    """`base` with `change` laid over it, tables merged, leaves replaced (quantities count as leaves)."""
    merged = dict(base)
    for key, value in change.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict) and "value" not in value
        merged[key] = merge(merged[key], value) if both_tables else value
    return merged


def derive(raw: Raw, file: str, base_text: Callable[[str], tuple[str, str]] | None, depth: int = 0) -> Raw:
    """Resolve `extends = "name"`: this file laid over the named spec; aliases are not inherited."""
    parent = raw.pop("extends", None)
    if parent is None:
        return raw
    if base_text is None:
        raise InputError("`extends` is not possible here", file=file, key="extends")
    if not isinstance(parent, str):
        raise InputError(f"{parent!r} is not a name", file=file, key="extends", fix="name a spec in quotes")
    if depth > MOST_EXTENDS:
        raise InputError("specs extend each other in a circle", file=file, key="extends")
    text, parent_file = base_text(parent)
    base = derive(read_toml(text, parent_file), parent_file, base_text, depth + 1)
    base.pop("aliases", None)
    return merge(base, raw)


def build(kind: type[S], raw: Raw, file: str) -> S:
    """Validate `raw` as `kind`; quantities may be strings or SI floats. The first problem becomes an InputError."""
    return _validate(kind, raw, file, {})


def build_from_file(kind: type[S], raw: Raw, file: str) -> S:
    """As `build`, for what a person wrote: a quantity is a string with its unit; a `Sourced` spec names its source."""
    context = {"file": True, "sources": issubclass(kind, Sourced)}
    return once(kind, raw, lambda: _validate(kind, raw, file, context))


def _validate(kind: type[S], raw: Raw, file: str, context: Raw) -> S:
    raw = dict(raw)
    raw.pop("schema", None)
    try:
        if issubclass(kind, Sourced):
            raw["citations"] = citations(raw, file)
        return kind.model_validate(raw, context=context)
    except ValidationError as error:
        raise _as_input_error(kind, error, raw, file) from None
    except RecursionError:
        raise InputError("is nested too deeply", file=file) from None


def citations(raw: Raw, file: str) -> Raw:
    """Dotted path -> citation of every `{value, source}` leaf; a quantity without a declared source is refused."""
    declared = raw.get("sources", {})
    if not isinstance(declared, dict):
        raise InputError("is not a table of sources", file=file, key="sources", fix="write [sources.NAME]")
    found: Raw = {}
    for path, leaf in _leaves(raw, ""):
        if "source" not in leaf:
            raise InputError("has no source", file=file, key=path, fix='add source = "..." (see [sources])')
        source, note = leaf["source"], leaf.get("note")
        if not isinstance(source, str) or source not in declared:
            raise InputError(
                f"source {source!r} is not declared", file=file, key=path, fix=suggest(str(source), declared)
            )
        if note is not None and not isinstance(note, str):
            raise InputError(f"the note {note!r} is not a text", file=file, key=path)
        extra = set(leaf) - {"value", "source", "note"}
        if extra:
            raise InputError(f"unknown key {min(extra)!r}", file=file, key=path, fix="a number has value, source, note")
        found[path] = {"source": source, "note": note, "text": str(leaf["value"])}
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


def _as_input_error(kind: type[Spec], error: ValidationError, raw: Raw, file: str) -> InputError:
    complaint, key, problem = told(error.errors(include_url=False), raw)
    if complaint == "extra_forbidden":
        *above, last = key.split(".")
        return InputError("unknown key", file=file, key=key, fix=suggest(last, _keys_at(kind, above)))
    return (
        InputError("is missing", file=file, key=key, fix="add it")
        if complaint == "missing"
        else InputError(problem, file=file, key=key)
    )


def in_words(error: Exception) -> str:
    """What was wrong with a value, for a person."""
    if isinstance(error, ValidationError):
        _, key, problem = told(error.errors(include_url=False), {})
        return f"{key}: {problem}"
    if isinstance(error, TypeError | AttributeError | ArithmeticError | RecursionError):
        return "something of another kind stands where a number or a name belongs"
    return f"no value at {error}" if isinstance(error, LookupError) else str(error)


def _keys_at(kind: Any, place: list[str]) -> list[str]:
    """Keys allowed at a place of a spec, for suggestions."""
    for part in place:
        fields: Mapping[str, FieldInfo] = getattr(kind, "model_fields", {})
        named = {info.alias or name: info for name, info in fields.items()}
        if part in named:
            kind = _inner(named[part].annotation)
    fields = getattr(kind, "model_fields", {})
    return [info.alias or name for name, info in fields.items() if name not in OURS]


def _inner(annotation: Any) -> Any:
    """The Spec class inside `dict[str, X]`, `tuple[X, ...]`, `X | None`."""
    for argument in getattr(annotation, "__args__", ()):
        inner = _inner(argument)
        if isinstance(inner, type) and issubclass(inner, Spec):
            return inner
    return annotation
