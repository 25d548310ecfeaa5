"""The same tasks inside a SimPy world: for processes that wait for a task, or hold one back.

    world = World(simpy.Environment(), graph)
    yield world.done[task]

Rates are those of the compiled loop, worked out once for all that begins and ends at one time. Some thirty times slower
than `run`, with the same answer.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import pairwise
from typing import Any

import numpy as np

from simcore.engine.tasks.graph import Graph
from simcore.engine.tasks.run import TaskRun, refuse_undone

LAST = 2
"""turn behind SimPy's two, of whoever decides when all that happens at one time is known"""


class World:
    """A graph at work in a SimPy environment; `done[task]` is the event of its end."""

    def __init__(self, environment: Any, graph: Graph) -> None:
        self.env, self.graph = environment, graph
        self.done = [environment.event() for _ in range(graph.size)]
        self.begin_s, self.flow_s, self.end_s = (np.full(graph.size, -1.0) for _ in range(3))
        rows, after = graph.after_start.tolist(), graph.after.tolist()
        self.after = [after[a:b] for a, b in pairwise(rows)]
        self.shared = Shared(self)
        for task in np.flatnonzero(graph.engine < 0).tolist():
            environment.process(self._free(task))
        starts, queue = graph.queue_of
        for number, slots in enumerate(graph.slots.tolist()):
            mine = queue[starts[number] : starts[number + 1]].tolist()
            if graph.picks[number]:
                environment.process(self._picking(mine, slots, LAST + number))
            else:
                environment.process(self._serial(mine) if slots == 1 else self._several(mine, slots))

    def _free(self, task: int) -> Generator[Any, Any, None]:
        yield from self._needs(task)
        yield from self._work(task)

    def _serial(self, tasks: list[int]) -> Generator[Any, Any, None]:
        for task in tasks:
            yield from self._needs(task)
            yield from self._work(task)

    def _several(self, tasks: list[int], slots: int) -> Generator[Any, Any, None]:
        under_way: list[Any] = []
        for task in tasks:
            yield from self._needs(task)
            while len(under_way) == slots:
                yield self.env.any_of(under_way)
                under_way = [one for one in under_way if one.is_alive]
            under_way.append(self.env.process(self._work(task)))

    def _picking(self, tasks: list[int], slots: int, turn: int) -> Generator[Any, Any, None]:
        under_way: list[Any] = []
        left = list(tasks)
        while left:
            yield self._at_rest(turn)
            under_way = [one for one in under_way if one.is_alive]
            ready = [task for task in left if all(self.done[other].processed for other in self.after[task])]
            for task in ready[: slots - len(under_way)]:
                left.remove(task)
                under_way.append(self.env.process(self._work(task)))
            waits = {other for task in left for other in self.after[task] if not self.done[other].processed}
            if left:
                yield self.env.any_of([*under_way, *(self.done[other] for other in sorted(waits))])

    def _at_rest(self, turn: int) -> Any:
        """When nothing else happens at this time, but what has a later turn."""
        event = self.env.event()
        event._ok, event._value = True, None
        self.env.schedule(event, priority=turn)
        return event

    def _needs(self, task: int) -> Generator[Any, Any, None]:
        for other in self.after[task]:
            if not self.done[other].processed:
                yield self.done[other]

    def _work(self, task: int) -> Generator[Any, Any, None]:
        self.begin_s[task] = self.env.now
        if self.graph.latency_s[task] > 0:
            yield self.env.timeout(self.graph.latency_s[task])
        self.flow_s[task] = self.env.now
        if self.graph.amount[task] > 0:
            self.shared.add(task)
        else:
            self.end(task)
        yield self.done[task]

    def end(self, task: int) -> None:
        """Whoever waits for the task goes on."""
        self.end_s[task] = self.env.now
        self.done[task].succeed()


class Shared:
    """Flows under way, their rates, and the event at which the next of them ends."""

    def __init__(self, world: World) -> None:
        graph = self.graph = world.graph
        self.world, self.env = world, world.env
        self.flowing = np.zeros(graph.size, np.int64)
        self.count, self.settling, self.version, self.events = 0, False, 0, 0
        self.level, self.taken = np.zeros((2, len(graph.resources)))
        self.used, self.peak_per_s, self.at_s = np.zeros(len(graph.resources)), np.zeros(len(graph.resources)), 0.0
        self.rate, self.left, self.since_s, self.next_s = np.zeros((4, graph.size))

    def add(self, task: int) -> None:
        """A flow begins."""
        self.flowing[self.count] = task
        self.count += 1
        self.rate[task], self.left[task], self.since_s[task] = 0.0, self.graph.amount[task], self.env.now
        self.next_s[task] = np.inf  # until it has a rate: another flow may end before, at this very time
        self.settle()

    def settle(self) -> None:
        """New rates, after what is known to happen now."""
        if not self.settling:
            self.settling = True
            self._later(0.0, self._share)

    def _later(self, delay_s: float, call: Any, value: int = 0) -> None:
        self.env.timeout(delay_s, value).callbacks.append(call)

    def _count_used(self) -> None:
        self.used += self.taken * (self.env.now - self.at_s)
        self.at_s = self.env.now

    def _share(self, _: Any) -> None:
        from simcore.engine.tasks.rates import fill

        self._count_used()
        self.settling, now, graph = False, self.env.now, self.graph
        self.version += 1
        active = self.flowing[: self.count]
        old = self.rate[active]
        uses = (graph.use_start, graph.use_of, graph.use_ratio)
        limits = (graph.capacity_per_s, graph.cap, graph.weight)
        fill(self.flowing, self.count, *limits, *uses, self.level, self.taken, self.rate)
        np.maximum(self.peak_per_s, self.taken, out=self.peak_per_s)
        if not self.count:
            return
        moved = self.rate[active] != old
        tasks, old = active[moved], old[moved]
        self.left[tasks] = np.maximum(self.left[tasks] - old * (now - self.since_s[tasks]), 0.0)
        self.since_s[tasks] = now
        self.next_s[tasks] = now + self.left[tasks] / self.rate[tasks]
        self._later(max(float(self.next_s[active].min()) - now, 0.0), self._over, self.version)

    def _over(self, event: Any) -> None:
        """The flows for which the event was set end; an event that other changes have overtaken does nothing."""
        if event.value != self.version:
            return
        self.events += 1
        active = self.flowing[: self.count].copy()
        times = self.next_s[active]
        over = times <= times.min()
        kept = active[~over]
        self.count = len(kept)
        self.flowing[: self.count] = kept
        for task in active[over].tolist():
            self.world.end(task)
        self.settle()


def run_under_simpy(graph: Graph) -> TaskRun:
    """As `run`, driven by SimPy. Raises InputError for tasks that wait for each other forever."""
    import simpy

    world = World(simpy.Environment(), graph)
    world.env.run()
    refuse_undone(world.end_s)
    shared = world.shared
    return TaskRun(graph, world.begin_s, world.flow_s, world.end_s, shared.used, shared.peak_per_s, shared.events)
