"""Units of laws: `450 mm2 * chip.compute.tensor.peak.bf16 / 989.4 TFLOP/s` says what it is, and its sums must agree.

A number with a unit is read in SI (area in mm2, rent in USD/h); what a name is in follows from its last word or from
its ending (`read_bandwidth`, `area_mm2`, `usd_per_million_tokens`). A name that says nothing counts.
"""

from __future__ import annotations

import ast
import re
from functools import cache

from simcore.errors import InputError
from simcore.spec.expression import Expression

Dims = dict[str, float]
"""power of each base unit: {"B": 1, "s": -1} is bytes per second"""

BASE: dict[str, tuple[float, Dims]] = {
    "B": (1.0, {"B": 1}),
    "byte": (1.0, {"B": 1}),
    "bit": (0.125, {"B": 1}),
    "s": (1.0, {"s": 1}),
    "h": (1.0, {"h": 1}),
    "Hz": (1.0, {"s": -1}),
    "FLOP": (1.0, {"FLOP": 1}),
    "OP": (1.0, {"FLOP": 1}),
    "J": (1.0, {"J": 1}),
    "W": (1.0, {"J": 1, "s": -1}),
    "USD": (1.0, {"USD": 1}),
    "mm2": (1.0, {"mm": 2}),
    "mm": (1.0, {"mm": 1}),
}
BINARY_STEP = 1024.0
PREFIX = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12}
PREFIX |= {name: BINARY_STEP**power for power, name in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)}
LAST: dict[str, str] = {
    **dict.fromkeys(("capacity", "reserve", "granularity", "endurance", "tile_size"), "B"),
    **dict.fromkeys(("bandwidth", "read_bandwidth", "write_bandwidth", "internal_bandwidth"), "B/s"),
    **dict.fromkeys(("latency", "kernel_launch", "graph_kernel", "graph_launch", "tile_time"), "s"),
    **dict.fromkeys(("tdp", "idle"), "W"),
    "clock": "Hz",
    "purchase": "USD",
    "rental": "USD/h",
    "energy": "J/B",
}
"""last word of a spec's key -> its unit; peaks have the format last"""
ENDINGS = {
    **{"bytes": "B", "s": "s", "w": "W", "j": "J", "usd": "USD", "mm2": "mm2", "hz": "Hz"},
    **{"flop": "FLOP", "hour": "h"},
}
"""words of a name that are units; tokens, requests and chips count"""
QUANTITY = re.compile(
    r"(?<![\w.])(\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+)[ ]?([A-Za-z][A-Za-z0-9]*(?:/[A-Za-z][A-Za-z0-9]*)*)"
)
MATHS = {"sqrt": 0.5, "abs": 1.0}


@cache
def unit(text: str) -> tuple[float, tuple[tuple[str, float], ...]] | None:
    """(value in SI, powers) of a unit such as TB/s; None where it is none.

    >>> unit("TB/s"), unit("tp")
    ((1000000000000.0, (('B', 1.0), ('s', -1.0))), None)
    """
    scale, found = 1.0, dict[str, float]()
    for number, word in enumerate(text.split("/")):
        own = next(
            ((PREFIX[p], BASE[word[len(p) :]]) for p in PREFIX if word.startswith(p) and word[len(p) :] in BASE), None
        )
        if word in BASE:
            own = (1.0, BASE[word])
        if own is None:
            return None
        sign = -1.0 if number else 1.0
        scale *= (own[0] * own[1][0]) ** sign
        for name, power in own[1][1].items():
            found[name] = found.get(name, 0.0) + sign * power
    return scale, tuple(sorted((k, v) for k, v in found.items() if v))


def of_name(name: str) -> Dims:
    """What a key of a spec, a figure or a law is in; {} where it counts.

    >>> of_name("hardware.chip.compute.tensor.peak.bf16"), of_name("area_mm2"), of_name("usd_per_million_tokens")
    ({'FLOP': 1.0, 's': -1.0}, {'mm': 2.0}, {'USD': 1.0})
    """
    parts = name.split(".")
    said = LAST.get(parts[-1], "FLOP/s" if {"peak", "sparse_peak"} & set(parts[:-1]) else "")
    if not said:
        above, _, below = parts[-1].partition("_per_")
        words = [above.split("_")[-1] if "_" in above or below else "", *below.split("_per_")] if below else [above]
        last = [word.split("_")[-1] for word in words]
        is_bare = not below and "_" not in parts[-1]
        said = "" if is_bare else "/".join(ENDINGS.get(word, "") for word in last)
    found: Dims = {}
    for number, word in enumerate(said.split("/")):
        for base, power in BASE[word][1].items() if word else ():
            found[base] = found.get(base, 0.0) + float(-power if number else power)
    return {base: power for base, power in found.items() if power}


def in_si(name: str, text: str) -> str:
    """The law as plain arithmetic on SI numbers. Raises InputError for a law without units, or whose units disagree.

    >>> in_si("area_mm2", "200 mm2 + 450 mm2 * chip.compute.tensor.peak.bf16 / 989.4 TFLOP/s")
    '200.0 + 450.0 * chip.compute.tensor.peak.bf16 / 989400000000000.0'
    >>> in_si("area_mm2", "200 + 2 * tp")
    Traceback (most recent call last):
    ...
    simcore.errors.InputError: the law of area_mm2 counts, its name says mm^2; give its numbers units, as in 450 mm2
    """
    numbers: dict[str, Dims] = {}

    def plain(match: re.Match[str]) -> str:
        found = unit(match.group(2))
        if found is None:
            return match.group(0)
        return repr(float(match.group(1).replace("_", "")) * found[0])

    def named(match: re.Match[str]) -> str:
        found = unit(match.group(2))
        if found is None:
            return match.group(0)
        word = f"q_{len(numbers)}_q"
        numbers[word] = dict(found[1])
        return word

    marked = Expression(QUANTITY.sub(named, text))
    try:
        own = _dims(marked._tree, numbers)
    except _Disagree as error:
        raise InputError(f"in the law of {name}, {error}") from None
    wanted = of_name(name)
    if _differ(own, wanted):
        what = f"the law of {name} {words(own)}, its name says {words(wanted, '')}"
        raise InputError(what, fix="give its numbers units, as in 450 mm2")
    return QUANTITY.sub(plain, text)


def words(dims: Dims, counts: str = "is in ") -> str:
    """Powers of units, for a reader."""
    if not dims:
        return "counts" if counts else "that it counts"
    return counts + " ".join(base if power == 1 else f"{base}^{power:g}" for base, power in sorted(dims.items()))


class _Disagree(Exception):
    """Two sides of a sum."""


def _differ(one: Dims, other: Dims) -> bool:
    return any(abs(one.get(base, 0.0) - other.get(base, 0.0)) > 1e-9 for base in {*one, *other})


def _dims(node: ast.expr, numbers: dict[str, Dims]) -> Dims:
    """What a part of a law is in."""
    if isinstance(node, ast.Name | ast.Attribute):
        name = ast.unparse(node)
        return numbers[name] if name in numbers else of_name(name)
    if isinstance(node, ast.UnaryOp):
        return _dims(node.operand, numbers)
    if isinstance(node, ast.BinOp):
        left, right = _dims(node.left, numbers), _dims(node.right, numbers)
        if isinstance(node.op, ast.Pow):
            return _power(node, left, right)
        if isinstance(node.op, ast.Mult | ast.Div | ast.FloorDiv):
            sign = 1.0 if isinstance(node.op, ast.Mult) else -1.0
            both = {base: left.get(base, 0.0) + sign * right.get(base, 0.0) for base in {*left, *right}}
            return {base: power for base, power in both.items() if power}
        return _alike(node, [left, right])
    if isinstance(node, ast.Call):
        parts = [_dims(part, numbers) for part in node.args]
        word = ast.unparse(node.func)
        if word in MATHS:
            return {base: MATHS[word] * power for base, power in parts[0].items()}
        if word in ("log", "log2", "exp"):
            return _alike(node, [parts[0], {}])
        return _alike(node, parts[1:] if word == "where" else parts)
    return {}


def _power(node: ast.BinOp, left: Dims, right: Dims) -> Dims:
    """A quantity to a plain power."""
    _alike(node, [right, {}])
    if not left:
        return {}
    if not isinstance(node.right, ast.Constant) or not isinstance(node.right.value, int | float):
        raise _Disagree(f"{ast.unparse(node.left)} has a unit and a power that is no number")
    return {base: node.right.value * power for base, power in left.items()}


def _alike(node: ast.expr, parts: list[Dims]) -> Dims:
    for other in parts[1:]:
        if _differ(parts[0], other):
            shown = re.sub(r"q_\d+_q", "(a quantity)", ast.unparse(node))
            raise _Disagree(f"{shown} joins what {words(parts[0])} with what {words(other)}")
    return parts[0]
