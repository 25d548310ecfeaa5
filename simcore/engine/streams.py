"""A layer's operations in several streams: what overlaps, what contends, what must wait.

Every operation is a task of its seconds alone, which loads the matrix unit, the memory and the links by the share of
those seconds that it keeps each busy; micro-batches run as chains beside each other and share what they load, max-min
fair (`simcore.engine.tasks`). With one stream and nothing hidden the makespan is the sum of the operations.

    chain      an operation waits for the one before it in its micro-batch
    in turn    of the operations that keep the same resource busiest one runs at a time, the first that is ready, to its
               end: kernels are not taken off their units
    late       a collective's result is needed one block later (Ladder Residual): the next block does not wait for it

Sources: NanoFlow (2024) for the streams, Tutel (2022) for chunks of all-to-all, Ladder Residual (2025). Interference
beyond shared bandwidth (caches, registers, power) is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from simcore.engine.tasks.graph import Task, Tasks
from simcore.engine.tasks.run import run

RESOURCES = ("matrix", "memory", "link", "host")
LEAST_S = 1e-12


@dataclass(frozen=True)
class Work:
    """One operation, alone: how long it keeps each resource busy."""

    name: str
    matrix_s: float = 0.0
    """units held: of the matrix unit's whole, or of those that a stream of bytes needs to keep the memory busy"""
    memory_s: float = 0.0
    link_s: float = 0.0
    host_s: float = 0.0
    """launch or host work that nothing of its own hides"""
    fixed_s: float = 0.0
    """of its time, what loads nothing (latency)"""

    @property
    def alone_s(self) -> float:
        """One kernel keeps units, memory and links busy at once; its launch and its latency come before."""
        return max(self.matrix_s, self.memory_s, self.link_s) + self.host_s + self.fixed_s

    def part(self, parts: int) -> Work:
        """One of equal parts."""
        shares = {name: getattr(self, name) / parts for name in ("matrix_s", "memory_s", "link_s", "host_s", "fixed_s")}
        return replace(self, **shares)

    @property
    def is_exchange(self) -> bool:
        return self.link_s > max(self.matrix_s, self.memory_s)

    @property
    def busiest(self) -> str:
        """The resource that it keeps busy longest."""
        if self.is_exchange:
            return "link"
        return "matrix" if self.matrix_s >= self.memory_s else "memory"


@dataclass(frozen=True)
class Streams:
    """How the operations of a micro-batch and those of the others may run."""

    late: bool = False
    """a collective is waited for one block later"""


@dataclass(frozen=True)
class Overlapped:
    """What the streams take."""

    time_s: float
    alone_s: float
    """every operation after the other"""
    bound_s: float
    """the busiest resource alone"""


def overlapped(chains: Sequence[Sequence[Work]], streams: Streams = Streams()) -> Overlapped:
    """Seconds of micro-batches, each a chain of operations over all layers."""
    tasks = Tasks(dict.fromkeys(RESOURCES, 1.0), dict.fromkeys(RESOURCES, 1), RESOURCES)
    added = [_Chain(tasks, streams.late) for _ in chains]
    for place in range(max(len(chain) for chain in chains)):
        for chain, works in zip(added, chains, strict=True):
            if place < len(works):
                chain.add(works[place])
    graph = tasks.graph()
    alone = sum(work.alone_s for chain in chains for work in chain)
    return Overlapped(run(graph).makespan_s, alone, float(graph.work.max()))


class _Chain:
    """A micro-batch on its way into a graph."""

    def __init__(self, tasks: Tasks, late: bool) -> None:
        self.tasks, self.late = tasks, late
        self.before: tuple[int, ...] = ()
        self.sent: tuple[int, ...] = ()

    def add(self, work: Work) -> None:
        """Its launch, then itself."""
        if work.host_s > 0.0:
            launch = Task(work.host_s, (("host", 1.0),), self.before, "host", 1.0)
            self.before = (self.tasks.add(launch),)
        seconds = max(work.alone_s - work.host_s - work.fixed_s, LEAST_S)
        loads = (work.matrix_s, work.memory_s, work.link_s)
        uses = tuple((name, load / seconds) for name, load in zip(RESOURCES, loads, strict=False) if load > 0)
        number = self.tasks.add(Task(seconds, uses, self.before, work.busiest, 1.0, work.fixed_s))
        if self.late and work.is_exchange:  # what follows needs this block's kernels and what the one before has sent
            self.before, self.sent = tuple({*self.before[:1], *self.sent}), (number,)
        else:
            self.before = (number,)


def chain_of(layer: Sequence[Work], layers: int) -> list[Work]:
    """A layer's operations, layer after layer."""
    return [work for _ in range(layers) for work in layer]
