"""What there is to do: tasks, the resources that they share, the engines that take them one after the other.

A task starts when its predecessors are done and its engine has reached it; it waits `latency_s` and then flows: at
`rate` (units of its amount per second, at most `cap`) it loads every resource that it uses with coefficient x rate.
Amounts are bytes, or seconds of work: a kernel that touches memory has its seconds at full speed as amount, cap 1 and
the bytes per second of that speed as coefficient, so it stretches when the memory is short.

An engine takes its tasks in the order in which they were added, `slots` at a time; a task that must wait blocks those
behind it, as in a stream of a GPU. An engine that picks takes the first that is ready (an out-of-order scheduler),
when all that is ready in an instant is known; of several such engines the first picks first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, suggest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NONE = -1
"""the engine of a task that needs none"""


class Task(NamedTuple):
    """One piece of work."""

    amount: float
    """bytes, or seconds of work"""
    uses: tuple[tuple[str, float], ...] = ()
    """(resource, its units per unit of the amount)"""
    after: tuple[int, ...] = ()
    """numbers of the tasks that must be done before"""
    engine: str | None = None
    cap: float = np.inf
    """its own highest rate, units of the amount per second"""
    latency_s: float = 0.0
    """paid once, before it flows; it holds its slot meanwhile and loads nothing"""
    weight: float = 1.0
    """share of a resource under contention: rates are max-min fair per weight. Equal weights are fair in units of the
    amount; 1 / coefficient makes work in seconds fair in bytes"""


@dataclass(frozen=True)
class Graph:
    """Tasks as arrays, [tasks] unless said otherwise; made by `Tasks.graph`."""

    resources: tuple[str, ...]
    engines: tuple[str, ...]
    capacity_per_s: Floats
    """[resources]"""
    slots: Ints
    """[engines]"""
    picks: NDArray[np.bool_]
    """[engines] takes the first task that is ready, not the first"""
    amount: Floats
    cap: Floats
    latency_s: Floats
    weight: Floats
    engine: Ints
    """number of the engine, NONE without one"""
    use_start: Ints
    """[tasks + 1] rows of `use_of` and `use_ratio`"""
    use_of: Ints
    use_ratio: Floats
    """coefficients, above zero"""
    after_start: Ints
    """[tasks + 1] rows of `after`"""
    after: Ints

    @property
    def size(self) -> int:
        return len(self.amount)

    @cached_property
    def next_of(self) -> tuple[Ints, Ints]:
        """([tasks + 1] rows, the tasks that wait for each task)."""
        waiting = np.repeat(np.arange(self.size), np.diff(self.after_start))
        return _grouped(self.after, waiting, self.size)

    @cached_property
    def queue_of(self) -> tuple[Ints, Ints]:
        """([engines + 1] rows, the tasks of each engine in their order)."""
        held = np.flatnonzero(self.engine >= 0)
        return _grouped(self.engine[held], held, len(self.engines))

    @cached_property
    def work(self) -> Floats:
        """[resources] what all tasks together take of each."""
        amounts = np.repeat(self.amount, np.diff(self.use_start))
        return np.bincount(self.use_of, amounts * self.use_ratio, len(self.resources)).astype(float)

    @cached_property
    def alone_s(self) -> Floats:
        """Seconds of each task with everything to itself: latency + amount / min(cap, capacity / coefficient)."""
        tasks, kinds = np.repeat(np.arange(self.size), np.diff(self.use_start)), len(self.resources)
        pairs, of = np.unique(tasks * kinds + self.use_of, return_inverse=True)
        rate = self.cap.copy()
        np.minimum.at(rate, pairs // kinds, self.capacity_per_s[pairs % kinds] / np.bincount(of, self.use_ratio))
        return self.latency_s + np.divide(self.amount, rate, out=np.zeros(self.size), where=self.amount > 0)


def _grouped(keys: Ints, values: Ints, count: int) -> tuple[Ints, Ints]:
    order = np.argsort(keys, kind="stable")
    return _rows(np.bincount(keys, minlength=count)), values[order].astype(np.int64)


def _rows(counts: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


class Tasks:
    """A graph in the making: `number = tasks.add(Task(...))`, and at the end `tasks.graph()`.

    >>> tasks = Tasks({"link": 10.0}, {"gpu": 1})
    >>> copy = tasks.add(Task(20.0, uses=(("link", 1.0),)))
    >>> tasks.add(Task(3.0, cap=1.0, after=(copy,), engine="gpu"))
    1
    >>> tasks.graph().alone_s.tolist()
    [2.0, 3.0]
    """

    def __init__(
        self, resources: Mapping[str, float], engines: Mapping[str, int] | None = None, picking: Collection[str] = ()
    ) -> None:
        """Capacity per second of each resource; slots of each engine; engines that pick what is ready.

        Raises InputError for what is not above zero and for an engine that is not there.
        """
        self.resources, self.engines, self.picking = dict(resources), dict(engines or {}), frozenset(picking)
        for name in sorted(self.picking - set(self.engines)):
            raise InputError("is no engine", key=name, fix=suggest(name, self.engines))
        self.tasks: list[Task] = []
        for name, value in (*self.resources.items(), *self.engines.items()):
            if not 0 < value < np.inf:
                raise InputError(f"{value} is not above zero and finite", key=name)

    def add(self, task: Task) -> int:
        """The task's number."""
        self.tasks.append(task)
        return len(self.tasks) - 1

    def graph(self) -> Graph:
        """The tasks as arrays. Raises InputError naming the first task that cannot be."""
        rows = self.tasks
        amount, uses, after, engine, cap, latency, weight = zip(*rows, strict=True) if rows else ((),) * 7
        names, homes = list(self.resources), list(self.engines)
        numbers = {name: number for number, name in enumerate(names)}
        engines = {name: number for number, name in enumerate(homes)} | {None: NONE}
        try:
            flat = [numbers[name] for use in uses for name, _ in use]
            taken = [engines[name] for name in engine]
        except KeyError as error:
            known = (*names, *homes)
            raise InputError(
                f"no such resource or engine: {error.args[0]!r}", fix=suggest(error.args[0], known)
            ) from None
        ratio = np.array([value for use in uses for _, value in use], float)
        use_of, counts = np.array(flat, np.int64), np.array([len(use) for use in uses], np.int64)
        kept = ratio != 0.0  # a task that takes nothing of a resource does not share it
        owner = np.repeat(np.arange(len(rows)), counts)[kept]
        found = Graph(
            tuple(names),
            tuple(homes),
            np.array(list(self.resources.values()), float),
            np.array(list(self.engines.values()), np.int64),
            np.array([name in self.picking for name in homes], bool),
            np.array(amount, float),
            np.array(cap, float),
            np.array(latency, float),
            np.array(weight, float),
            np.array(taken, np.int64),
            _rows(np.bincount(owner, minlength=len(rows))),
            use_of[kept],
            ratio[kept],
            _rows(np.array([len(one) for one in after], np.int64)),
            np.array(list(chain.from_iterable(after)), np.int64),
        )
        _check(found)
        return found


def _check(graph: Graph) -> None:
    finite = np.isfinite(graph.amount) & (graph.amount >= 0) & np.isfinite(graph.latency_s) & (graph.latency_s >= 0)
    bounded = (graph.cap < np.inf) | (np.diff(graph.use_start) > 0) | (graph.amount == 0)
    _refuse(~finite, "its amount or latency is negative or not finite")
    _refuse(~((graph.cap > 0) & (graph.weight > 0) & (graph.weight < np.inf)), "its cap or weight is not above zero")
    _refuse(~bounded, "nothing bounds its rate: it has neither a cap nor a resource")
    uses = np.repeat(np.arange(graph.size), np.diff(graph.use_start))
    unfit = ~((graph.use_ratio > 0) & (graph.use_ratio < np.inf))
    _refuse(_among(uses, unfit, graph.size), "a coefficient is negative or not finite")
    owner = np.repeat(np.arange(graph.size), np.diff(graph.after_start))
    wrong = (graph.after < 0) | (graph.after >= graph.size) | (graph.after == owner)
    _refuse(_among(owner, wrong, graph.size), "it waits for a task that there is not")


def _among(owner: Ints, wrong: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    return np.bincount(owner[wrong], minlength=size) > 0


def _refuse(wrong: NDArray[np.bool_], why: str) -> None:
    found = np.flatnonzero(wrong)
    if found.size:
        raise InputError(f"task {found[0]}: {why}")
