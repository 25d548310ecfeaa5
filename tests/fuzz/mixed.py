"""What stands elsewhere put in its place: values and tables swapped, of another file, of another type; a key that
nobody knows, an option that is given twice."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz.judge import NEW
from tests.fuzz.kernel_verbs import LOAD, ONE, STEPS
from tests.fuzz.mutate import Change, as_toml, is_number, places, short
from tests.fuzz.other_files import OTHER_FILES
from tests.fuzz.spoil import Input, tree
from tests.shared import ROOT

ODD: tuple[Any, ...] = (
    -0.0,
    5e-324,
    2**64,
    10**400,
    "1 GB/s/s",
    "٣ ms",
    "3\u00a0ms",
    "1,5 GB",
    "0x10 GB",
    "1e400 GB",
    "1_000",
    "\u202eabc",
    "e\u0301",
    "1979-05-27",
    "50%",
    "a\nb",
    "\x1b[31m",
    "C:\\x",
    "{x}",
    "/dev/zero",
    "1/3 s",
    [True],
    {"value": 1},
    {"low": 2, "high": 1},
    [{"name": ""}],
    {"": 1},
    [[1]],
)
"""values of other types and tongues"""
ANY_NAME = (
    "values",
    "resources",
    "engines",
    "stores",
    "over",
    "asks",
    "uses",
    "laws",
    "vary",
    "sources",
    "set",
    "options",
    "settings",
    "quantiles",
    "loss",
)
"""tables whose keys are names of the user's own"""
UNKNOWN = "zzz_unknown"


def at(raw: Any, way: tuple[Any, ...]) -> Any:
    for key in way:
        raw = raw[key]
    return raw


def put(raw: Any, way: tuple[Any, ...], value: Any) -> None:
    at(raw, way[:-1])[way[-1]] = value


def swapped(raw: Any, draw: random.Random) -> Change:
    """Two values of the file in each other's place."""
    ways = list(places(raw))
    first, second = draw.choice(ways), draw.choice(ways)
    if first[: len(second)] == second or second[: len(first)] == first:  # one holds the other
        return Change("nothing")
    one, other = at(raw, first), at(raw, second)
    put(raw, first, other)
    put(raw, second, one)
    return Change("swapped", f"{dotted(first)} and {dotted(second)}", short(one), short(other))


def retyped(raw: Any, draw: random.Random) -> Change:
    """A value as another type: true for a number, a list of one, a table, its text; or an odd one."""
    way = draw.choice(list(places(raw)))
    old = at(raw, way)
    number = is_number(old) and old not in (0, 1)
    new = draw.choice((True, [old], {"x": old}, str(old), old == 1, copy.deepcopy(draw.choice(ODD))))
    put(raw, way, new)
    return Change("retyped", dotted(way), short(old), short(new), number and new is True)


def unknown(raw: Any, draw: random.Random) -> Change:
    """A key that nobody knows in one of the tables."""
    ways = [way for way in ((), *places(raw)) if isinstance(at(raw, way), dict) and not set(way) & set(ANY_NAME)]
    way = draw.choice([way for way in ways if "value" not in at(raw, way)])
    at(raw, way)[UNKNOWN] = 1
    return Change("unknown key", dotted((*way, UNKNOWN)), "", UNKNOWN, True)


def grafted(raw: Any, draw: random.Random) -> Change:
    """A value, or a whole table, of another file."""
    other = copy.deepcopy(draw.choice(tuple(BASES.values()))[0]())
    there = draw.choice(list(places(other)))
    value = at(other, there)
    way = draw.choice(list(places(raw))) if draw.random() < 0.6 else (there[-1],)
    if not way or not isinstance(at(raw, way[:-1]), dict | list) or (isinstance(raw, dict) and way == (0,)):
        return Change("nothing")
    if isinstance(at(raw, way[:-1]), dict):
        put(raw, (*way[:-1], str(way[-1])), value)
    else:
        put(raw, way, value)
    return Change("grafted", dotted(way), "", f"{dotted(there)} = {short(value)}")


def dotted(way: tuple[Any, ...]) -> str:
    return ".".join(map(str, way))


MIXES: tuple[Callable[[Any, random.Random], Change], ...] = (swapped, retyped, retyped, unknown, grafted)


def example(name: str, **more: Any) -> Callable[[], Any]:
    """An example with few requests."""

    def made() -> Any:
        raw = tree(ROOT / "examples" / f"{name}.toml")
        traffic = raw.get("traffic", {})
        few = {"traffic": traffic | {"requests": 8}} if traffic and "batch" not in traffic else {}
        return raw | few | more

    return made


PLACED = ONE | {"hardware": {"system": "gb200-nvl72", "stack": "datasheet"}, "traffic": LOAD | {"rate_per_s": 1.0}}
SERVED = ("simulate", "{F}", "--json", "--check")
BASES: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    **{
        name: (example(name), SERVED)
        for name in (
            "kv-tiers",
            "disaggregated",
            "role-switching",
            "pipeline",
            "power-policies",
            "attention-ffn",
            "sessions",
            "composition",
            "co-serving",
        )
    },
    "estimate": (lambda: ONE | {"plan": {"tp": 1, "kv": "fp8"}, "slo": {"ttft": "1 s"}}, ("estimate", "{F}", "--json")),
    "explain": (lambda: ONE | {"economics": {"basis": "purchase"}}, ("explain", "{F}", "--json")),
    "train-llama-8b": (example("train-llama-8b"), ("train", "{F}", "--json")),
    "plan-precision": (example("plan-precision"), ("plan", "precision", "{F}", "--json")),
    "stream-weights": (example("stream-weights"), ("tasks", "{F}", "--json")),
    "power-row": (example("power-row", scenarios=60), ("plan", "power", "{F}", "--days", "0.02", "--json")),
    "tiers": (lambda: PLACED, ("plan", "tiers", "{F}", "--json")),
    **{f"step {number}": (lambda one=one: one, ("step", "{F}", "--json")) for number, one in enumerate(STEPS)},
}
"""name -> (what its file says, the command)"""


def mixed(folder: Path, draw: random.Random) -> Input:
    """A file with something put where something else stood; a run that is refused leaves no folder."""
    made, words = BASES[draw.choice(sorted(BASES))]
    raw = copy.deepcopy(made())
    change = draw.choice(MIXES)(raw, draw)
    (folder / "s.toml").write_text(as_toml(raw), encoding="utf-8")
    out = ("--out", str(folder / NEW)) if words[0] in ("simulate", "train") and draw.random() < 0.2 else ()
    return Input(change, (*(word.replace("{F}", str(folder / "s.toml")) for word in words), *out))


OPTIONS = {
    "estimate": (("--tp", "1", "2"), ("--batch", "4", "8"), ("--set", "plan.tp=1", "plan.tp=2"), ("--stack", "a", "b")),
    "simulate": (("--seeds", "1", "2"), ("--set", "seed=1", "seed=2"), ("--timeline", "0:1", "1:2")),
    "sweep": (("--top", "1", "2"), ("--vary", "plan.tp=1", "plan.tp=1,2")),
}


def twice(folder: Path, draw: random.Random) -> Input:
    """An option that is given twice, with different values."""
    (folder / "s.toml").write_text(as_toml(ONE), encoding="utf-8")
    verb = draw.choice(sorted(OPTIONS))
    option, one, other = draw.choice(OPTIONS[verb])
    change = Change("given twice", option, one, other, True)
    return Input(change, (verb, str(folder / "s.toml"), "--json", option, one, option, other))


MIXED: dict[str, tuple[int, Callable[[Path, random.Random], Input]]] = {
    "mixed": (14, mixed),
    "twice": (1, twice),
    **OTHER_FILES,
}
"""kind -> (its share, what spoils it)"""
