"""A written schedule as a graph of tasks: loops unrolled, names of predecessors looked up place by place."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.tasks.form import Numbers, Work
from planners.tasks.values import Values
from simcore.engine.tasks.graph import Graph, Task, Tasks
from simcore.errors import InputError, suggest

Ints = NDArray[np.int64]
REFERENCE = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\[(.*)\])?\s*")
MOST_TASKS = 2_000_000
NOBODY = -1


@dataclass(frozen=True)
class Places:
    """The places of a loop nest, flat in the order of its indices."""

    shape: tuple[int, ...]
    local: Mapping[str, NDArray[np.float64]]
    """index -> [places]"""

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass
class Built:
    """The graph, and where every place of every kind of work is in it."""

    values: Values
    graph: Graph
    places: dict[str, Places]
    number: dict[str, Ints]
    """work -> [places] number of the task, NOBODY where there is none"""

    def found(self, text: str, places: Places, key: str) -> list[Ints]:
        """Columns of [places]: numbers of the tasks that a reference names at each place, NOBODY where none is."""
        return looked_up(text, places, self, key)


def built(values: Values) -> Built:
    """Raises InputError for what cannot be worked out."""
    schedule = values.schedule
    places = {one.name: places_of(values, one.over, f"tasks.{one.name}.over") for one in schedule.work}
    total = sum(one.size for one in places.values())
    if total > MOST_TASKS:
        raise InputError(f"{total} tasks are more than {MOST_TASKS}", file=schedule.file, key="tasks", fix="loop less")
    found = Built(values, Tasks({}).graph(), places, numbered(values, places))
    named = {
        part: {name: values.number(value, f"{part}.{name}") for name, value in getattr(schedule, part).items()}
        for part in ("resources", "engines")
    }
    for name, count in named["engines"].items():
        if not 1 <= count <= MOST_TASKS:
            what = f"{count:g} is no number of slots"
            raise InputError(what, file=schedule.file, key=f"engines.{name}", fix="write 1 or more")
    slots = {name: round(count) for name, count in named["engines"].items()}
    try:
        tasks = Tasks(named["resources"], slots, schedule.picking)
    except InputError as error:
        error.file, error.key = schedule.file, f"resources.{error.key}"
        raise
    rows: list[Task] = [Task(0.0)] * sum(int((one != NOBODY).sum()) for one in found.number.values())
    for one in schedule.work:
        for at, row in made(one, found):
            rows[at] = row
    for row in rows:
        tasks.add(row)
    try:
        found.graph = tasks.graph()
    except InputError as error:
        error.file = error.file or schedule.file
        raise
    return found


def places_of(values: Values, over: Numbers, key: str) -> Places:
    """Raises InputError for a count that is no whole number from 0."""
    shape = []
    for name, text in over.items():
        count = float(values.number(text, f"{key}.{name}"))
        if count < 0 or abs(count - round(count)) > 1e-9:
            raise InputError(f"{count:g} is no whole number", file=values.schedule.file, key=f"{key}.{name}")
        shape.append(round(count))
    if math.prod(shape) > MOST_TASKS:
        what = f"{math.prod(shape):.3g} tasks are more than {MOST_TASKS}"
        raise InputError(what, file=values.schedule.file, key=key, fix="loop less")
    grids = np.meshgrid(*(np.arange(count, dtype=float) for count in shape), indexing="ij")
    return Places(tuple(shape), {name: grid.ravel() for name, grid in zip(over, grids, strict=True)})


def column(values: Values, text: Any, places: Places, key: str) -> NDArray[np.float64]:
    """[places] values of an expression."""
    return np.broadcast_to(np.asarray(values.number(text, key, places.local), float), (places.size,))


def numbered(values: Values, places: Mapping[str, Places]) -> dict[str, Ints]:
    """work -> [places] numbers: by `order`, then in the order of the file, then along the loops."""
    orders, kinds, rows, is_there = [], [], [], {}
    for kind, one in enumerate(values.schedule.work):
        own = places[one.name]
        is_there[one.name] = column(values, one.when, own, f"tasks.{one.name}.when") != 0
        at = np.flatnonzero(is_there[one.name])
        orders.append(column(values, one.order, own, f"tasks.{one.name}.order")[at])
        kinds.append(np.full(len(at), kind))
        rows.append(at)
    which, row = np.concatenate(kinds), np.concatenate(rows)
    sequence = np.lexsort((row, which, np.concatenate(orders)))
    found = {one.name: np.full(places[one.name].size, NOBODY, np.int64) for one in values.schedule.work}
    for number, at in enumerate(sequence.tolist()):
        found[values.schedule.work[which[at]].name][row[at]] = number
    return found


def made(one: Work, built: Built) -> list[tuple[int, Task]]:
    """(number, task) of every place of one kind of work."""
    values, places, key = built.values, built.places[one.name], f"tasks.{one.name}"
    numbers = built.number[one.name]
    amount, latency, weight = (
        column(values, text, places, f"{key}.{name}").tolist()
        for name, text in (("amount", one.amount), ("latency", one.latency), ("weight", one.weight))
    )
    bare = one.cap is None and not one.uses
    cap = column(values, one.cap if one.cap is not None else 1.0, places, f"{key}.cap").tolist()
    uses = [(name, column(values, text, places, f"{key}.uses.{name}").tolist()) for name, text in one.uses.items()]
    after = [found for text in one.after for found in built.found(text, places, f"{key}.after")]
    is_limited = one.cap is not None or bare
    rows = []
    for at in np.flatnonzero(numbers != NOBODY).tolist():
        before = tuple(int(one[at]) for one in after if one[at] != NOBODY)
        used = tuple((name, ratio[at]) for name, ratio in uses)
        rate = cap[at] if is_limited else np.inf
        rows.append(
            (int(numbers[at]), Task(amount[at], used, before, one.engine or None, rate, latency[at], weight[at]))
        )
    return rows


def looked_up(text: str, places: Places, built: Built, key: str) -> list[Ints]:
    """The columns of one reference. Raises InputError for unknown work or a wrong number of indices."""
    file = built.values.schedule.file
    match = REFERENCE.fullmatch(text)
    name = match.group(1) if match else text
    if match is None or name not in built.places:
        raise InputError(f"there is no work {name!r}", file=file, key=key, fix=suggest(name, built.places))
    target = built.places[name]
    if match.group(2) is None:
        axes: list[Any] = [index if index in places.local else None for index in target.local]
    else:
        axes = [None if part.strip() == ":" else part.strip() for part in _split(match.group(2))]
    if len(axes) != len(target.shape):
        raise InputError(f"{text!r} has {len(axes)} indices, {name} {len(target.shape)}", file=file, key=key)
    chosen = [
        [np.full(places.size, value) for value in range(count)]
        if axis is None
        else [np.rint(column(built.values, axis, places, key)).astype(np.int64)]
        for axis, count in zip(axes, target.shape, strict=True)
    ]
    return (
        [_numbers(list(one), target, built.number[name]) for one in itertools.product(*chosen)]
        if chosen
        else [np.full(places.size, built.number[name][0])]
    )


def _numbers(indices: list[Ints], target: Places, number: Ints) -> Ints:
    inside = np.logical_and.reduce([(i >= 0) & (i < n) for i, n in zip(indices, target.shape, strict=True)])
    clipped = [np.clip(i, 0, max(n - 1, 0)) for i, n in zip(indices, target.shape, strict=True)]
    if not target.size:
        return np.full(len(inside), NOBODY)
    return np.where(inside, number[np.ravel_multi_index(clipped, target.shape)], NOBODY)


def _split(text: str) -> list[str]:
    """Parts between commas that stand in no bracket."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
