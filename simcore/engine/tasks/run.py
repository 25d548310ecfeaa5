"""A graph of tasks, run: when each began, flowed and ended, and what every resource carried."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simcore.engine.tasks.graph import Floats, Graph
from simcore.errors import InputError


@dataclass(frozen=True)
class TaskRun:
    """The outcome, [tasks] in the order in which they were added unless said otherwise; seconds from the start."""

    graph: Graph
    begin_s: Floats
    """its engine took it, or its last predecessor was done"""
    flow_s: Floats
    """its latency was over"""
    end_s: Floats
    used: Floats
    """[resources] units carried, integrated from the rates; `graph.work` says what should be"""
    peak_per_s: Floats
    """[resources] highest load"""
    events: int

    @property
    def makespan_s(self) -> float:
        """When the last task ended."""
        return float(self.end_s.max(initial=0.0))

    @property
    def utilisation_ratio(self) -> dict[str, float]:
        """What each resource carried over what it could have carried."""
        whole = self.graph.capacity_per_s * max(self.makespan_s, 1e-300)
        return dict(zip(self.graph.resources, (self.used / whole).tolist(), strict=True))

    def busy_s(self, engine: str) -> float:
        """Slot seconds that an engine was held."""
        mine = self.graph.engine == self.graph.engines.index(engine)
        return float((self.end_s - self.begin_s)[mine].sum())

    def timeline(self) -> list[tuple[str, int, float, float]]:
        """(engine, task, begin, end) by engine and begin; tasks without an engine under ""."""
        names = (*self.graph.engines, "")
        order = np.lexsort((self.begin_s, self.graph.engine % len(names)))
        return [(names[self.graph.engine[t]], int(t), float(self.begin_s[t]), float(self.end_s[t])) for t in order]


def run(graph: Graph) -> TaskRun:
    """Run a graph. Raises InputError for tasks that wait for each other forever.

    Exact for the model of `graph` (fluid flows, max-min fair). Cost: one pass over what is under way per event.
    """
    from simcore.engine.tasks.loop import EVENTS, Arrays, State, drive

    tasks, kinds, engines = graph.size, len(graph.resources), len(graph.engines)
    queue_start, queue = graph.queue_of
    next_start, next_of = graph.next_of
    uses = (graph.use_start, graph.use_of, graph.use_ratio)
    facts = (graph.amount, graph.cap, graph.latency_s, graph.weight, graph.engine)
    arrays = Arrays(
        graph.capacity_per_s, graph.slots, *facts, *uses, next_start, next_of, queue_start, queue, graph.picks
    )
    waits, queued = np.diff(graph.after_start), queue_start[:-1].copy()
    counts, held = np.zeros(5, np.int64), np.zeros(engines, np.int64)
    one, two, three = np.zeros((3, tasks), np.int64)
    rate, old, left, since_s, next_s, begin_s, flow_s, end_s = np.zeros((8, tasks))
    used, peak_per_s = np.zeros((2, kinds))
    times = (rate, old, left, since_s, next_s, begin_s, flow_s, end_s)
    state = State(counts, one, two, three, waits, queued, held, *times, used, peak_per_s)
    state.end_s[:] = -1.0
    drive(arrays, state)
    refuse_undone(state.end_s)
    return TaskRun(
        graph, state.begin_s, state.flow_s, state.end_s, state.used, state.peak_per_s, int(state.count[EVENTS])
    )


def refuse_undone(end_s: Floats) -> None:
    """Raises InputError where tasks never ended: they wait for each other, or behind such a task on an engine."""
    undone = np.flatnonzero(end_s < 0.0)
    if undone.size:
        raise InputError(f"{undone.size} tasks wait for each other, task {undone[0]} among them")
