"""Uniform random points: the baseline that every other method must beat."""

from __future__ import annotations

import numpy as np

from planners.search.method import Ask, Method, Searcher, Task, Told


class Random:
    """Independent uniform draws; points may repeat in small spaces."""

    def __init__(self, task: Task) -> None:
        self.space, self.rng = task.space, np.random.default_rng(task.seed)

    def ask(self, count: int) -> Ask:
        return Ask(self.space.sample(self.rng, count))

    def tell(self, told: Told) -> None:
        pass


def make(task: Task) -> Searcher:
    return Random(task)


METHOD = Method("random", make, "uniform random points, the baseline", batch=1024, independent=True)
