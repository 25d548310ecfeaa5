"""Scrambled Sobol points (scipy): random points spread evenly."""

from __future__ import annotations

from typing import Any

import numpy as np

from planners.search.method import Ask, Method, Searcher, Task, Told
from planners.search.space import Array


class Sobol:
    """Owen-scrambled Sobol sequence; rows that break a constraint are skipped. At most 2**30 points."""

    def __init__(self, task: Task) -> None:
        from scipy.stats import qmc

        self.space = task.space
        self.sequence: Any = qmc.Sobol(len(task.space), scramble=True, rng=np.random.default_rng(task.seed))

    def ask(self, count: int) -> Ask:
        return Ask(self.space.filled(self._next, count))

    def _next(self, count: int) -> Array:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # balance needs powers of two; a budget is what it is
            return np.asarray(self.sequence.random(count), float)

    def tell(self, told: Told) -> None:
        pass


def make(task: Task) -> Searcher:
    return Sobol(task)


METHOD = Method("sobol", make, "quasi-random points that fill the space evenly", batch=1024, independent=True)
