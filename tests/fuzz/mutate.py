"""Files spoilt at random: values of a tree, cells of a table, bytes of anything."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

BAD_NUMBERS: tuple[Any, ...] = (-1, -5, -2.5, -1e308, float("nan"), float("inf"), float("-inf"))
ODD_NUMBERS: tuple[Any, ...] = (0, 1, 2**31 - 1, 2**31, 2**53, 2**63, 10**30, 1.5, 0.3, 1e-300, 1e18, 1e308, True)
BAD_QUANTITIES = ("-1 {u}", "nan {u}", "inf {u}", "1e999 {u}", "-1e300 {u}")
ODD_QUANTITIES = ("0 {u}", "1e-300 {u}", "1e300 {u}", "1 apple", "9**9**9 {u}", "1", "{u}", "1e18 {u}", "1e9 {u}")
TEXTS = (
    "",
    " ",
    "x",
    "../../x",
    "/etc/passwd",
    "a\0b",
    "$x^{",
    "<script>",
    "é€漢",
    "x" * 100_000,
    "nan",
    "None",
    "-1",
    "~",
)
SHAPES: tuple[Any, ...] = (
    [], [[]], [1, "a"], [[1], [1, 2]], [-1], [0], [float("nan")], {}, {"a": 1}, {"value": []}, [{}],
    {"value": "1 s", "source": []}, [{"name": "a"}, {"name": "a"}], None, True, 5, 1.5, "x", [1] * 5000,
)  # fmt: skip
CELLS = (
    "",
    "-1",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "x",
    "1e30",
    "-5.5",
    "0",
    "1.5",
    "é",
    '"',
    "9" * 400,
    "true",
    "2147483648",
)
BAD_CELLS = {"-1", "nan", "inf", "-inf", "-5.5", "1e999"}
KEYS = ("extends", "sources", "citations", "aliases", "name", "schema", "new key", "", "__proto__")


@dataclass(frozen=True)
class Change:
    """What was done to a file."""

    how: str
    place: str = ""
    old: str = ""
    new: str = ""
    nonsense: bool = False
    """a number that was sound is now negative, infinite or none: nobody may take it in silence"""


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def unit_of(value: Any) -> str | None:
    """The unit of a quantity such as "4.8 TB/s"; None for any other text."""
    if not isinstance(value, str):
        return None
    number, _, unit = value.strip().partition(" ")
    try:
        return unit if unit and math.isfinite(float(number)) else None
    except ValueError:
        return None


def places(raw: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in tables and lists."""
    entries = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from places(value, (*path, key))


def junk_for(value: Any, draw: random.Random) -> tuple[Any, bool]:
    """Something else in place of a value, and whether it is a number that makes no sense there."""
    unit, how = unit_of(value), draw.random()
    if is_number(value) and how < 0.8:
        if how > 0.65:
            return value * draw.choice((0.5, 2, 10, 1000, 10**6, 10**9)), False
        return (draw.choice(BAD_NUMBERS), True) if how < 0.35 else (draw.choice(ODD_NUMBERS), False)
    if unit and how < 0.75:
        bad = how < 0.4
        return draw.choice(BAD_QUANTITIES if bad else ODD_QUANTITIES).format(u=unit), bad
    return copy.deepcopy(draw.choice(TEXTS if how > 0.9 else SHAPES)), False


def spoilt_tree(raw: Any, draw: random.Random) -> tuple[Any, Change]:
    """The same with one value replaced, taken out, moved, doubled, or a key added."""
    raw = copy.deepcopy(raw)
    ways = list(places(raw))
    if not ways:
        return raw, Change("nothing")
    *way, last = draw.choice(ways)
    here: Any = raw
    for key in way:
        here = here[key]
    how, place, old = draw.random(), ".".join(map(str, (*way, last))), here[last]
    if how < 0.10:
        del here[last]
        return raw, Change("removed", place, short(old))
    if how < 0.14 and isinstance(here, dict):
        key = draw.choice(KEYS)
        here[key] = copy.deepcopy(draw.choice(SHAPES))
        return raw, Change("added", place, key, short(here[key]))
    if how < 0.17 and isinstance(here, dict):
        here[f"{last}x"] = here.pop(last)
        return raw, Change("renamed", place)
    if how < 0.20 and isinstance(here, list):
        here.append(copy.deepcopy(old))
        return raw, Change("doubled", place)
    here[last], bad = junk_for(old, draw)
    return raw, Change("replaced", place, short(old), short(here[last]), bad)


def spoilt_rows(text: str, draw: random.Random, sep: str = ",") -> tuple[str, Change]:
    """A table of text with one cell replaced, a column or row taken out, doubled or cut short."""
    lines = [line.split(sep) for line in text.splitlines()]
    row = draw.randrange(len(lines))
    column, how = draw.randrange(max(len(lines[row]), 1)), draw.random()
    if how < 0.06:
        for line in lines:
            del line[column : column + 1]
        change = Change("column removed", str(column))
    elif how < 0.10:
        lines.append(list(lines[row]))
        change = Change("row doubled", str(row))
    elif how < 0.14:
        lines[row] = lines[row][:column]
        change = Change("row cut", str(row))
    elif how < 0.17:
        lines = lines[: row + 1]
        change = Change("table cut", str(row))
    elif how < 0.22:
        new = draw.choice(CELLS)
        for line in lines[1:]:
            line[column : column + 1] = [new]
        change = Change("column replaced", lines[0][column] if column < len(lines[0]) else "", "", new)
    else:
        old, new = lines[row][column], draw.choice(CELLS)
        lines[row][column] = new
        bad = row > 0 and new in BAD_CELLS and unit_of(f"{old} x") is not None
        change = Change("cell", f"{row}:{lines[0][column] if column < len(lines[0]) else column}", old, new, bad)
    return "\n".join(map(sep.join, lines)) + "\n", change


def spoilt_bytes(data: bytes, draw: random.Random) -> tuple[bytes, Change]:
    """Bytes cut, flipped, doubled, inserted, or something else altogether."""
    how, at = draw.random(), draw.randrange(max(len(data), 1))
    if how < 0.3:
        return data[:at], Change("cut", str(at))
    if how < 0.6:
        some = bytearray(data or b"\0")
        for _ in range(draw.randrange(1, 9)):
            some[draw.randrange(len(some))] = draw.randrange(256)
        return bytes(some), Change("flipped")
    if how < 0.8:
        stop = min(at + draw.randrange(1, 200), len(data))
        return data[:at] + data[at:stop] * draw.choice((0, 2, 50)) + data[stop:], Change("doubled", str(at))
    whole = (
        b"",
        b"\0" * 100,
        b"\xff\xfe",
        b"x = " + b"[" * 50_000,
        b"{" * 50_000,
        b'n = "' + b"x" * 10_000_000,
        b"1",
        b"[]",
    )
    return draw.choice(whole), Change("another file")


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def as_toml(raw: dict[str, Any]) -> str:
    """One line per key, tables inline: JSON but for `=`."""
    return "".join(f"{json.dumps(str(key))} = {value_text(value)}\n" for key, value in raw.items())


def value_text(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(str(k))} = {value_text(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(value_text, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps("none" if value is None else value, ensure_ascii=True)  # TOML has no null
