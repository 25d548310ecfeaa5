"""A written schedule (schema tasks/1) as values: named numbers, questions to other verbs, work, and what is held where.

Numbers are numbers, quantities ("55 GB/s") or arithmetic on names: `[values]`, the answers of `[asks.NAME]`, facts of
the model and of the system, and the indices of the loops that a piece of work stands in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from scenarios.reader import TableReader
from simcore.errors import suggest
from simcore.unit_text import found_text

SCHEMA = "tasks/1"
Number = float | int | str
Numbers = Mapping[str, Number]


@dataclass(frozen=True)
class Work:
    """Tasks of one kind, one for each place of its loops."""

    name: str
    """by which `after` and [[holds]] name it"""
    amount: Number = 0.0
    """bytes, or seconds of work"""
    over: Numbers = field(default_factory=dict)
    """index -> how many: 0, 1, ... below it"""
    uses: Numbers = field(default_factory=dict)
    """resource -> its units per unit of the amount"""
    after: tuple[str, ...] = ()
    """names of work that must be done before: `load` (at the same place of the indices of both), `load[layer - 1]`"""
    engine: str = ""
    """of which it holds a slot while it runs; empty: none, it begins when it may"""
    cap: Number | None = None
    """its own highest rate, units of the amount per second; None: 1 of work that uses nothing, else no bound"""
    latency: Number = 0.0
    """once, before it flows; its slot is held meanwhile"""
    weight: Number = 1.0
    """its share of a resource under contention, relative to others'"""
    order: Number = 0.0
    """engines take what is lower first, then what stands first in the file"""
    when: Number = 1.0
    """0: there is no such task at this place"""


@dataclass(frozen=True)
class Hold:
    """Bytes that occupy a store from the begin of some work to the end of other work."""

    store: str
    """name of the place that it occupies"""
    amount: Number
    """bytes at each place of the loops"""
    over: Numbers = field(default_factory=dict)
    """index -> how many: 0, 1, ... below it"""
    since: tuple[str, ...] = ()
    """empty, or nothing there: from the start"""
    until: tuple[str, ...] = ()
    """empty, or nothing there: to the end"""
    when: Number = 1.0
    """0: nothing is held at this place"""


@dataclass(frozen=True)
class Schedule:
    """A whole file."""

    name: str
    """by which answers name it"""
    values: Numbers
    """name -> a number or arithmetic that others may use"""
    asks: Mapping[str, Mapping[str, Any]]
    """name -> `verb` and the tables that differ from the file's own"""
    resources: Numbers
    """name -> its capacity per second"""
    engines: Numbers
    """name -> its slots: tasks at a time"""
    picking: tuple[str, ...]
    """engines that take the first task that is ready"""
    stores: Numbers
    """capacities of what is held; a store without one has room for all"""
    energy: Numbers
    """J per unit of a resource; W of an engine at work; W of `always`"""
    work: tuple[Work, ...]
    """what is to be done"""
    holds: tuple[Hold, ...]
    """what occupies the stores, and how long"""
    tables: Mapping[str, Any]
    """[model], [hardware] and the others that every question shares"""
    file: str = ""


SHARED = ("model", "hardware", "plan", "policy", "residency", "traffic", "training", "economics")
ALWAYS = "always"
"""power that is drawn from the begin to the end"""
OWN = ("schema", "name", "values", "asks", "resources", "engines", "picking", "stores", "energy", "tasks", "holds")


def schedule_of(raw: Mapping[str, Any], file: str) -> Schedule:
    """From a file's tables. Raises InputError naming file, key and fix."""
    reader = Reader(raw, file)
    reader.known(raw, (*OWN, *SHARED), "")
    if raw.get("schema") != SCHEMA:
        reader.refuse(f"{raw.get('schema')!r} is no schedule", "schema", f'write schema = "{SCHEMA}"')
    if not isinstance(raw.get("name", ""), str):
        reader.refuse(f"{found_text(raw['name'])} is not a text in quotes", "name", "write it in quotes")
    work = tuple(reader.rows("tasks", Work))
    names = [one.name for one in work]
    for name in names:
        if not name.isidentifier() or names.count(name) > 1:
            reader.refuse(f"{name!r} is no name of its own", "tasks", "use letters, digits and _, each name once")
    if not work:
        reader.refuse("is missing", "tasks", "write [[tasks]] with a name and an amount")
    asks = reader.table("asks", {})
    for name, ask in asks.items():
        if not isinstance(ask, Mapping):
            reader.refuse("is no table", f"asks.{name}", f'write [asks.{name}] with verb = "estimate"')
    numbers = [reader.numbers(key) for key in ("values", "resources", "engines", "stores", "energy")]
    tables = {key: value for key, value in raw.items() if key in SHARED}
    values, resources, engines, stores, energy = numbers
    holds = tuple(reader.rows("holds", Hold))
    picking = raw.get("picking", [])
    if not isinstance(picking, list) or not all(isinstance(one, str) and one in engines for one in picking):
        reader.refuse("is no list of engines", "picking", f"known: {', '.join(engines) or 'none'}")
    for name in energy:
        if name not in (*resources, *engines, ALWAYS):
            reader.refuse("is neither resource nor engine", f"energy.{name}", suggest(name, [*resources, *engines]))
    numbers_of = (values, asks, resources, engines, tuple(picking), stores, energy)
    return Schedule(str(raw.get("name", "tasks")), *numbers_of, work, holds, tables, file)


@dataclass(frozen=True)
class Reader(TableReader):
    """A schedule's tables."""

    def numbers(self, key: str, found: Any = None) -> Numbers:
        """A table of numbers and expressions."""
        table = self.table(key, {}) if found is None else found
        if not isinstance(table, Mapping):
            self.refuse("is no table", key, "write { NAME = NUMBER }")
        for name, value in table.items():
            if not is_number(value):
                self.refuse("is no number", f"{key}.{name}", 'write 4, "55 GB/s" or arithmetic in quotes')
        return table

    def rows(self, key: str, kind: type) -> list[Any]:
        """[[key]] as values of a kind."""
        named = enumerate(self.tables(key))
        return [self.row(one, kind, f"{key}.{one.get('name', number)}") for number, one in named]

    def row(self, raw: Mapping[str, Any], kind: type, place: str) -> Any:
        wants = {one.name: str(one.type) for one in fields(kind)}
        self.known(raw, tuple(wants), place)
        values: dict[str, Any] = {}
        for key, value in raw.items():
            if wants[key].startswith("tuple"):
                value = (value,) if isinstance(value, str) else value
                if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
                    self.refuse("is no list of names", f"{place}.{key}", 'write ["load"]')
                value = tuple(value)
            elif wants[key] == "Numbers":
                value = self.numbers(f"{place}.{key}", value)
            elif wants[key] == "str" and not isinstance(value, str):
                self.refuse("is no text", f"{place}.{key}", "write it in quotes")
            elif not is_number(value):
                self.refuse("is no number", f"{place}.{key}", 'write 4, "55 GB/s" or arithmetic in quotes')
            values[key] = value
        try:
            return kind(**values)
        except TypeError as error:
            self.refuse(str(error).partition("()")[2].strip() or "is not whole", place, "see docs/tasks.md")


def is_number(value: Any) -> bool:
    """A number, or a text that may be one."""
    return isinstance(value, int | float | str) and not isinstance(value, bool)
