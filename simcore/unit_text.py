"""The units of spec files read without a unit library; times, and values that were found, written for people.

`"4.8 TB/s"` is a number, names with prefixes, `*` and `/`. What it does not know (plurals, powers, other systems) it
leaves to pint; where it answers, it answers what pint does with the same definitions, to the last bit (a test over
every shipped quantity).
"""

from __future__ import annotations

import datetime
import re
from functools import cache
from typing import Any

UNITS: dict[str, tuple[float, dict[str, int]]] = {
    "bit": (1.0, {"information": 1}),
    "byte": (8.0, {"information": 1}),
    "second": (1.0, {"time": 1}),
    "minute": (60.0, {"time": 1}),
    "hour": (3600.0, {"time": 1}),
    "day": (86400.0, {"time": 1}),
    "year": (365.25 * 86400.0, {"time": 1}),
    "hertz": (1.0, {"time": -1}),
    "flop": (1.0, {"operation": 1}),
    "mac": (2.0, {"operation": 1}),
    "joule": (1.0, {"energy": 1}),
    "watt": (1.0, {"energy": 1, "time": -1}),
    "watt_hour": (3600.0, {"energy": 1}),
    "usd": (1.0, {"currency": 1}),
    "token": (1.0, {"token": 1}),
    "request": (1.0, {"request": 1}),
    "meter": (1.0, {"length": 1}),
    "gram": (1.0, {"mass": 1}),
}
"""name -> (size in base units, exponents of the bases)"""
SYMBOLS = {
    "B": "byte",
    "s": "second",
    "min": "minute",
    "h": "hour",
    "Hz": "hertz",
    "FLOP": "flop",
    "MAC": "mac",
    "op": "flop",
    "OP": "flop",
    "J": "joule",
    "g": "gram",
    "W": "watt",
    "Wh": "watt_hour",
    "USD": "usd",
    "m": "meter",
}
PREFIXES = {
    **{"P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12},
    **{"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40},
}
TEXT = re.compile(r"\s*([+-]?[\d_.]+(?:[eE][+-]?\d+)?)\s*([A-Za-z][A-Za-z_]*(?: ?[*/] ?[A-Za-z_]+)*)\s*")


def read_plain(text: str, unit: str) -> float | None:
    """The value of a quantity string in `unit`; None for whatever is not written in these units, right or wrong.

    >>> read_plain("4.8 TB/s", "byte/s"), read_plain("2 kW*h", "J"), read_plain("2 furlongs", "m")
    (4800000000000.0, 7200000.0, None)
    """
    found = TEXT.fullmatch(text)
    if found is None:
        return None
    written, wanted = unit_of(found[2]), unit_of(unit)
    if written is None or wanted is None or written[1] != wanted[1]:
        return None
    try:
        number = float(found[1])
    except ValueError:
        return None
    return number * (written[0] / wanted[0])


@cache
def unit_of(text: str) -> tuple[float, dict[str, int]] | None:
    """(size, exponents) of a product of names; None if one is unknown."""
    size, exponents = 1.0, dict[str, int]()
    for sign, name in re.findall(r"([*/]?) ?([A-Za-z_]+)", text):
        known = named(name)
        if known is None:
            return None
        size = size / known[0] if sign == "/" else size * known[0]
        for base, power in known[1].items():
            exponents[base] = exponents.get(base, 0) + (-power if sign == "/" else power)
    return size, {base: power for base, power in exponents.items() if power}


def named(name: str) -> tuple[float, dict[str, int]] | None:
    """A unit by name or symbol, alone or behind a short prefix; None if unknown."""
    whole = UNITS.get(SYMBOLS.get(name, name))
    if whole is not None:
        return whole
    for length in (2, 1):
        prefix, rest = PREFIXES.get(name[:length]), SYMBOLS.get(name[length:], name[length:])
        if prefix is not None and rest in UNITS:
            size, bases = UNITS[rest]
            return prefix * size, bases
    return None


def seconds(value: float | None) -> str:
    """A time as people write it.

    >>> seconds(0.0312), seconds(2.4), seconds(None)
    ('31.2 ms', '2.40 s', '-')
    """
    if value is None:
        return "-"
    return f"{1e3 * value:.3g} ms" if value < 1.0 else f"{value:.2f} s"


MOST_FOUND = 60
"""characters of a value that a message shows: it may be a whole file"""


def found_text(value: Any) -> str:
    """A value of a file as a message shows it: as it was written, a table or a list by its name.

    >>> found_text(True), found_text("2 GB"), found_text([1]), found_text(datetime.date(1979, 5, 27)), found_text(None)
    ('true', "'2 GB'", 'a list', '1979-05-27', 'nothing')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, dict | list | tuple):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) > 10**MOST_FOUND:
        return "a number of very many digits"
    if isinstance(value, str | int | float):
        text = repr(value)
        return text if len(text) <= MOST_FOUND else text[: MOST_FOUND - 4] + "..." + text[-1] * isinstance(value, str)
    return f"what Python calls {type(value).__name__}"
