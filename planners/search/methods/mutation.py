"""Pareto mutation: children of the frontier, one or two parameters changed. Nearly free per evaluation."""

from __future__ import annotations

import numpy as np

from planners.search.method import Archive, Ask, Method, Searcher, Task, Told, tunables
from planners.search.mutation import Mutation, fresh
from planners.search.space import Array, Parameter


class ParetoMutation:
    """Random points first; then children of frontier members, never a point twice while new ones can be found."""

    def __init__(self, task: Task, start: int, mutation: Mutation) -> None:
        self.task, self.start, self.mutation = task, start, mutation
        self.rng, self.archive = np.random.default_rng(task.seed), Archive(task)

    def ask(self, count: int) -> Ask:
        if len(self.archive) < self.start:
            count = min(count, self.start - len(self.archive))
            return Ask(fresh(self.archive, self.task.space.sample(self.rng, 4 * count), count))
        rows = self.mutation.children(self.task.space, self._parents(), self.rng, 8 * count)
        return Ask(fresh(self.archive, rows, count))

    def _parents(self) -> Array:
        return self.archive.parents()

    def tell(self, told: Told) -> None:
        self.archive.add(told)


def make(
    task: Task,
    start: int = 25,
    crossover_ratio: float = 0.35,
    changes_mean: float = 0.6,
    step_ratio: float = 0.1,
    reach: float = 0.25,
) -> Searcher:
    return ParetoMutation(task, start, Mutation(crossover_ratio, changes_mean, step_ratio, reach))


METHOD = Method(
    "mutation",
    make,
    "crossover and mutation of the frontier (numpy)",
    tunables=tunables(
        Parameter.integer("start", 5, 60),
        Parameter.float("crossover_ratio", 0.0, 0.8),
        Parameter.float("changes_mean", 0.5, 3.0),
        Parameter.float("step_ratio", 0.0, 1.0),
        Parameter.float("reach", 0.02, 0.3, log=True),
    ),
)
