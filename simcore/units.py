"""Quantities are parsed once, at the border, from strings such as ``"4.8 TB/s"``; inside, everything is an SI float.

A field's type says its unit: ``BytesPerS`` and its like are floats that pydantic reads from a quantity string.
GB = 1e9 bytes, GiB = 2**30 bytes, 1 MAC = 2 FLOP. No quantity is negative or infinite; a rate, a bandwidth or a
capacity (`Capacity`) is not zero either, because something is divided by it. Each kind has a largest value that no
hardware, run or purse will reach (`MOST`): what is beyond is a slip of the pen, and would not stay finite.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from simcore.unit_text import found_text, read_plain

GIB = 2.0**30
SECONDS_PER_HOUR = 3600.0

_DEFINITIONS = """
peta- = 1e15 = P-; tera- = 1e12 = T-; giga- = 1e9 = G-; mega- = 1e6 = M-; kilo- = 1e3 = k-
milli- = 1e-3 = m-; micro- = 1e-6 = u-; nano- = 1e-9 = n-; pico- = 1e-12 = p-
kibi- = 2**10 = Ki-; mebi- = 2**20 = Mi-; gibi- = 2**30 = Gi-; tebi- = 2**40 = Ti-
bit = [information]; byte = 8 * bit = B
second = [time] = s; minute = 60 * second = min; hour = 3600 * second = h; day = 86400 * second; year = 365.25 * day
hertz = 1 / second = Hz
flop = [operation] = FLOP; mac = 2 * flop = MAC; op = flop = OP
joule = [energy] = J; watt = joule / second = W; watt_hour = 3600 * joule = Wh
usd = [currency] = USD; token = [token]; request = [request]
meter = [length] = m; gram = [mass] = g
"""


@cache
def _registry() -> Any:
    import pint

    registry = pint.UnitRegistry(None)
    for line in _DEFINITIONS.strip().replace("\n", ";").split(";"):
        registry.define(line.strip())
    return registry


QUANTITY = re.compile(
    r"\s*[+-]?(\d[\d_]*\.?[\d_]*|\.\d+)([eE][+-]?\d{1,4})?\s*[A-Za-z][A-Za-z_]*([ ]?[*/][ ]?[A-Za-z_]+)*\s*"
)
MOST_CHARACTERS = 100


@cache
def parse(text: str, unit: str) -> float:
    """The value of a quantity string in `unit`.

    Raises ValueError, saying what is wrong, for a bare number, an unknown unit, a wrong dimension, and for what is no
    plain number with a unit: nan, infinity, arithmetic.

    >>> parse("4.8 TB/s", "byte/s"), parse("141 GB", "byte"), parse("80 GiB", "byte") / 2**30
    (4800000000000.0, 141000000000.0, 80.0)
    >>> parse("4.8 TB", "byte/s")
    Traceback (most recent call last):
    ...
    ValueError: '4.8 TB' is not a quantity of byte/s (write for example '3.35 TB/s')
    """
    hint = f"(write for example '{_EXAMPLES.get(unit, '1 ' + unit)}')"
    number = text.replace(".", "").replace("e", "").strip("+- ").isdigit()
    if len(text) > MOST_CHARACTERS or not (number or QUANTITY.fullmatch(text)):
        raise ValueError(f"{found_text(text)} is not a quantity that simcore can read {hint}")
    plain = None if number else read_plain(text, unit)
    magnitude = _by_pint(text, unit, hint, number) if plain is None else plain
    if not math.isfinite(magnitude):
        raise ValueError(f"{text!r} is not a finite quantity {hint}")
    return magnitude


def _by_pint(text: str, unit: str, hint: str, number: bool) -> float:
    """Any other way to write a quantity, and what is wrong with one."""
    import pint

    try:
        quantity = _registry().Quantity(text)
        return float(quantity.to(unit).magnitude)
    except pint.DimensionalityError:
        missing = "has no unit" if number else None
        raise ValueError(f"{text!r} {missing or 'is not a quantity of ' + unit} {hint}") from None
    except Exception:
        raise ValueError(f"{text!r} is not a quantity that simcore can read {hint}") from None


_EXAMPLES = {
    "byte/s": "3.35 TB/s",
    "byte": "80 GB",
    "flop/s": "989.4 TFLOP/s",
    "s": "2.5 us",
    "W": "700 W",
    "Hz": "1.83 GHz",
    "USD": "30000 USD",
    "USD/h": "2.5 USD/h",
    "J/byte": "4 pJ/bit",
    "J/flop": "0.5 pJ/FLOP",
    "USD/kWh": "0.08 USD/kWh",
    "kg": "1.5 kg",
    "kg/kWh": "0.4 kg/kWh",
}


MOST = {
    "byte": 1e24,
    "byte/s": 1e21,
    "flop/s": 1e24,
    "s": 1e10,
    "W": 1e12,
    "Hz": 1e15,
    "USD": 1e15,
    "USD/h": 1e12,
    "USD/kWh": 1e6,
    "kg": 1e9,
    "kg/kWh": 1e3,
    "J/byte": 1.0,
    "J/flop": 1.0,
}
LEAST = 1.0
"""of a rate, a bandwidth or a capacity, in its SI unit"""


def _reader(unit: str, positive: bool) -> Any:
    def read(value: object, info: ValidationInfo) -> float:
        found = plain(value, info)
        if not math.isfinite(found) or found < 0 or (positive and found == 0):
            what = "is not above zero" if positive else "is below zero"
            raise ValueError(f"{_written(value)!r} {what if math.isfinite(found) else 'is not finite'}")
        if found > MOST[unit] or (positive and found < LEAST):
            bounds = f"at least {LEAST:g} {unit}" if found < LEAST else f"at most {MOST[unit]:g} {unit}"
            raise ValueError(f"{_written(value)!r} is beyond reason: {bounds}")
        return found

    def plain(value: object, info: ValidationInfo) -> float:
        written = info.context or {}
        if isinstance(value, dict) and "value" in value:
            value = value["value"]
        elif isinstance(value, str) and written.get("sources"):
            raise ValueError(f'has no source (write {{ value = "{value}", source = "..." }})')
        if isinstance(value, float) and not written.get("file"):  # already SI: a value built in Python
            return float(value)
        if isinstance(value, str):
            return parse(value, unit)
        raise ValueError(f"{found_text(value)} has no unit (write for example '{_EXAMPLES.get(unit, '1 ' + unit)}')")

    return read


def _written(value: object) -> object:
    return value["value"] if isinstance(value, dict) else value


def _quantity(unit: str, positive: bool = False) -> Any:
    return (
        BeforeValidator(_reader(unit, positive)),
        WithJsonSchema({"type": ["object", "string"], "description": f"quantity in {unit}"}),
    )


Bytes = Annotated[float, *_quantity("byte")]
Capacity = Annotated[float, *_quantity("byte", positive=True)]
BytesPerS = Annotated[float, *_quantity("byte/s", positive=True)]
FlopPerS = Annotated[float, *_quantity("flop/s", positive=True)]
Seconds = Annotated[float, *_quantity("s")]
Watts = Annotated[float, *_quantity("W")]
Hertz = Annotated[float, *_quantity("Hz", positive=True)]
Usd = Annotated[float, *_quantity("USD")]
UsdPerHour = Annotated[float, *_quantity("USD/h")]
UsdPerKwh = Annotated[float, *_quantity("USD/kWh")]
Kilograms = Annotated[float, *_quantity("kg")]
KgPerKwh = Annotated[float, *_quantity("kg/kWh")]
JoulePerByte = Annotated[float, *_quantity("J/byte")]
JoulePerFlop = Annotated[float, *_quantity("J/flop")]
