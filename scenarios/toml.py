"""TOML text of plain tables: what `migrate` and `--write-scenarios` write. Comments are not kept."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(raw: Mapping[str, Any]) -> str:
    """Tables as TOML; a list of tables becomes [[name]], a table inside a list of plain values stays inline.

    >>> print(dumps({"name": "a", "plan": {"tp": 2}, "vary": {"plan.tp": [1, 2]}}), end="")
    name = "a"
    <BLANKLINE>
    [plan]
    tp = 2
    <BLANKLINE>
    [vary]
    "plan.tp" = [1, 2]
    """
    lines: list[str] = []
    _table(raw, "", lines)
    return "\n".join(lines).strip("\n") + "\n"


def _table(raw: Mapping[str, Any], path: str, lines: list[str]) -> None:
    inner = {k: v for k, v in raw.items() if _is_table(k, v, path)}
    many = {k: v for k, v in raw.items() if _is_tables(v)}
    lines += [f"{key(k)} = {value(v)}" for k, v in raw.items() if k not in inner and k not in many]
    for name, table in inner.items():
        place = f"{path}{key(name)}"
        lines += ["", f"[{place}]"]
        _table(table, f"{place}.", lines)
    for name, tables in many.items():
        for table in tables:
            place = f"{path}{key(name)}"
            lines += ["", f"[[{place}]]"]
            _table(table, f"{place}.", lines)


def _is_table(name: str, found: Any, path: str) -> bool:
    """Tables of their own; in [vary] and below [traffic] they are short and stay inline."""
    return isinstance(found, Mapping) and path not in ("vary.", "traffic.", "residency.")


def _is_tables(found: Any) -> bool:
    return isinstance(found, list | tuple) and bool(found) and all(isinstance(item, Mapping) for item in found)


def key(name: str) -> str:
    """A key, quoted where it must be."""
    return name if BARE.fullmatch(name) else json.dumps(name)


def value(found: Any) -> str:
    """A value in one line. Raises TypeError for what TOML has no word for."""
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int | float):
        return repr(found)
    if isinstance(found, str):
        return json.dumps(found, ensure_ascii=False)
    if isinstance(found, Mapping):
        return "{ " + ", ".join(f"{key(k)} = {value(v)}" for k, v in found.items()) + " }"
    if isinstance(found, list | tuple):
        return "[" + ", ".join(value(item) for item in found) + "]"
    raise TypeError(f"{found!r} has no TOML")
