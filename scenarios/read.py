"""A scenario from a file, from tables, with keys set: what every verb and `simcore.read` begin with."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scenarios.known import check_names
from scenarios.launch import with_launch
from scenarios.migrate import SCHEMA, is_old, migrated, schema_of
from simcore.errors import InputError
from simcore.spec.base import OURS, name_of
from simcore.spec.load import build_from_file, read_file
from simcore.spec.scenario import Scenario, put, with_one_load
from simcore.unit_text import found_text

Raw = dict[str, Any]


def read(path: str | Path, changes: Mapping[str, Any] | None = None) -> Scenario:
    """The scenario of a file, with dotted keys changed. Raises InputError naming file, key and fix."""
    raw, notes = read_raw(path)
    raw = with_one_load(raw, changes or {})
    for key, value in (changes or {}).items():
        put(raw, key, value, str(path))
    found = from_raw(raw, str(path))
    return found.replace(notes=(*notes, *found.notes))


def read_raw(path: str | Path) -> tuple[Raw, tuple[str, ...]]:
    """(the file's tables in today's schema, notices). Raises InputError."""
    raw = read_file(path, "scenario")
    raw.setdefault("name", name_of(str(path)))
    if is_old(raw):
        old = schema_of(raw)
        return migrated(raw, str(path)), (f"{path} is {old}, read for one more release: `simcore migrate {path}`",)
    if raw.get("schema") != SCHEMA:
        problem = f"{raw.get('schema')!r} is no scenario"
        raise InputError(problem, file=str(path), key="schema", fix=f'write schema = "{SCHEMA}"')
    return raw, ()


def from_raw(raw: Raw, path: str = "") -> Scenario:
    """A scenario from its tables; `path` is for messages and for files named relative to it."""
    raw = {**raw}
    raw.setdefault("name", name_of(path) if path else "scenario")
    raw, notes = with_launch(raw, path)
    for key in OURS:
        if key in raw:
            raise InputError("unknown key", file=path, key=key, fix="leave it out")
    try:
        found = build_from_file(Scenario, raw, path).replace(file=path, notes=notes)
    except RecursionError:
        raise InputError("is nested too deeply", file=path) from None
    check_names(found)
    return found


def with_changes(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """The scenario with dotted keys changed, checked again. Raises InputError."""
    return scenario.set(dict(changes))


def parse_set(texts: Iterable[str]) -> Raw:
    """`KEY=VALUE` options: VALUE is TOML, else a word. Raises InputError.

    >>> parse_set(["plan.tp=8", "hardware.system=h200-sxm", "slo.ttft=2 s"])
    {'plan.tp': 8, 'hardware.system': 'h200-sxm', 'slo.ttft': '2 s'}
    """
    found: Raw = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"{text!r} is no KEY=VALUE", key="--set", fix="write for example --set plan.tp=8")
        once(found, "--set", key.strip(), parse_value(value.strip()))
    return found


def once(found: Raw, option: str, key: str, value: Any) -> None:
    """Put a key's value; raises InputError where the option gave it another before."""
    if found.setdefault(key, value) != value:
        what = f"is given twice, as {found_text(found[key])} and {found_text(value)}"
        raise InputError(what, key=f"{option} {key}", fix="give it once")


def parse_value(text: str) -> Any:
    """A TOML value, else the text itself."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def parse_vary(texts: Iterable[str]) -> Raw:
    """`KEY=A,B` options; commas outside brackets separate. Raises InputError.

    >>> parse_vary(["plan.tp=1,2,4", "traffic.input_tokens=[1,2],[3,4]"])
    {'plan.tp': [1, 2, 4], 'traffic.input_tokens': [[1, 2], [3, 4]]}
    """
    found: Raw = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise InputError(f"{text!r} is no KEY=A,B", key="--vary", fix="write for example --vary plan.tp=1,2,4")
        parts = [parse_value(part.strip()) for part in split(value)]
        ranged = len(parts) == 1 and isinstance(parts[0], dict | list)
        once(found, "--vary", key.strip(), parts[0] if ranged else parts)
    return found


def split(text: str) -> list[str]:
    """Parts between commas that stand outside brackets and quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[{(":
            depth += 1
        elif letter in "]})":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
