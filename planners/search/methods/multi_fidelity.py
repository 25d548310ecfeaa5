"""Multi-fidelity search: a cheap model first, the full one for what survives."""

from __future__ import annotations

import numpy as np

from planners.pareto import non_dominated
from planners.search.method import Archive, Ask, Method, Searcher, Task, Told, tunables
from planners.search.mutation import Mutation, fresh
from planners.search.space import Array, Parameter


class MultiFidelity:
    """Spends `screen_ratio` of the budget on Pareto mutation at the lowest level, then asks the full level about the
    survivors, frontier by frontier, and ends with Pareto mutation at the full level.

    The last part, a `polish_ratio` of the budget, is what corrects a cheap model that ranks wrongly.
    """

    def __init__(self, task: Task, screen_ratio: float, polish_ratio: float) -> None:
        self.task, self.rng, self.mutation = task, np.random.default_rng(task.seed), Mutation()
        self.cheap, self.full = Archive(task), Archive(task)
        self.screen = int(screen_ratio * task.budget / task.costs[0])
        self.until = (1 - screen_ratio - polish_ratio) * task.budget
        self.queue: list[Array] | None = None

    def ask(self, count: int) -> Ask:
        if len(self.cheap) < self.screen:
            return Ask(self._mutate(self.cheap, min(count, self.screen - len(self.cheap))), 0)
        if self.queue is None:
            self.queue = peel(self.cheap)
        if self.queue and len(self.full) < self.until:
            rows, self.queue = self.queue[:count], self.queue[count:]
            return Ask(np.stack(rows))
        return Ask(self._mutate(self.full, count))

    def _mutate(self, archive: Archive, count: int) -> Array:
        if len(archive) < 20:
            return fresh(archive, self.task.space.sample(self.rng, 4 * count), count)
        return fresh(archive, self.mutation.children(self.task.space, archive.parents(), self.rng, 8 * count), count)

    def tell(self, told: Told) -> None:
        (self.full if told.level == -1 else self.cheap).add(told)


def peel(archive: Archive) -> list[Array]:
    """Feasible rows, each once, frontier after frontier."""
    _, first = np.unique(archive.units, axis=0, return_index=True)
    left = [i for i in np.sort(first) if archive.feasible[i]]
    out: list[Array] = []
    while left:
        kept = non_dominated(archive.values[left])
        out.extend(archive.units[i] for i, k in zip(left, kept, strict=True) if k)
        left = [i for i, k in zip(left, kept, strict=True) if not k]
        if not kept.any():
            break
    return out


def make(task: Task, screen_ratio: float = 0.3, polish_ratio: float = 0.4) -> Searcher:
    return MultiFidelity(task, screen_ratio, polish_ratio)


def suits(task: Task) -> str | None:
    return "its evaluator has one level of fidelity" if len(task.costs) < 2 else None


METHOD = Method(
    "multi-fidelity",
    make,
    "cheap model first, full model for survivors",
    batch=4,
    tunables=tunables(Parameter.float("screen_ratio", 0.05, 0.5), Parameter.float("polish_ratio", 0.0, 0.5)),
    suits=suits,
)
