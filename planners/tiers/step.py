"""A step of a placement, run by the task engine: copies one layer ahead, kernels, what is written back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from planners.tiers.problem import Floats, TierProblem
from simcore.engine.tasks.graph import Graph, Task, Tasks
from simcore.engine.tasks.run import TaskRun, run


@dataclass(frozen=True)
class Steps:
    """Steps of one problem: the graph is made once, a placement only changes its amounts."""

    problem: TierProblem

    def run(self, shares: Floats) -> TaskRun:
        """The step of shares [classes, tiers]."""
        graph, moved, at, latency_s = self._made
        per_layer = moved * shares.ravel()[at]
        amount = np.where(at >= 0, per_layer, graph.amount)
        return run(replace(graph, amount=amount, latency_s=np.where(amount > 0.0, latency_s, 0.0)))

    def time_s(self, shares: Floats) -> float:
        """Seconds of the step."""
        return self.run(shares).makespan_s

    @cached_property
    def _made(self) -> tuple[Graph, Floats, np.ndarray, Floats]:
        """(graph, bytes per unit of its share of every task, which share it is (-1: a kernel), latencies)."""
        made = _Making(self.problem)
        done: list[int] = []
        for layer in range(self.problem.layers):
            ahead = (done[layer - 2],) if layer > 1 else ()
            done.append(made.kernel(made.copies("read", ahead, layer)))
            made.copies("write", (done[-1],), layer)
        graph = made.tasks.graph()
        return graph, np.array(made.moved), np.array(made.share), graph.latency_s


class _Making:
    """Tasks of a step, with the bytes per unit of its share that each moves."""

    def __init__(self, problem: TierProblem) -> None:
        self.problem = problem
        queues = {f"{tier.name} {word}": 1 for tier in problem.tiers[1:] for word in ("read", "write")}
        self.tasks = Tasks({name: rate for name, rate, _ in problem.resources()}, {"chip": 1, **queues})
        self.moved: list[float] = []
        self.share: list[int] = []

    def kernel(self, after: tuple[int, ...]) -> int:
        """A layer's own work."""
        self.moved.append(0.0)
        self.share.append(-1)
        return self.tasks.add(Task(self.problem.layer_s, (), after, "chip", 1.0))

    def copies(self, word: str, after: tuple[int, ...], layer: int) -> tuple[int, ...]:
        """One task per class and tier outside the main one, in the order of the layers. A tier's queue stays full, so
        only its first answer is waited for."""
        problem, found = self.problem, []
        for row, tensors in enumerate(problem.classes):
            size = tensors.read_bytes if word == "read" else tensors.written_bytes
            for column, tier in enumerate(problem.tiers[1:], 1):
                names = [f"{tier.name} {word}"] if np.isfinite(getattr(tier, f"{word}_bytes_per_s")) else []
                names += [f"link {tier.link} {word}"] if tier.link is not None else []
                if not size or not names:
                    continue
                uses, latency_s = tuple((name, 1.0) for name in names), 0.0 if layer else tier.latency_s
                found.append(self.tasks.add(Task(0.0, uses, after, f"{tier.name} {word}", latency_s=latency_s)))
                self.moved.append(size / problem.layers)
                self.share.append(row * len(problem.tiers) + column)
        return tuple(found)
