"""Every point of the grid, in blocks of arrays: the truth where the space is small enough."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from planners.search.method import Ask, Method, Searcher, Task, Told
from planners.search.space import Array


class Exhaustive:
    """Grid order: the last parameter varies fastest."""

    def __init__(self, task: Task) -> None:
        self.width = len(task.space)
        self.blocks: Iterator[Array] = task.space.grid()
        self.left: Array = np.empty((0, self.width))

    def ask(self, count: int) -> Ask:
        while len(self.left) < count:
            block = next(self.blocks, None)
            if block is None:
                break
            self.left = np.concatenate([self.left, block])
        rows, self.left = self.left[:count], self.left[count:]
        return Ask(rows)

    def tell(self, told: Told) -> None:
        pass


def make(task: Task) -> Searcher:
    return Exhaustive(task)


def suits(task: Task) -> str | None:
    return "a parameter is continuous (give it steps)" if task.space.size is None else None


METHOD = Method("exhaustive", make, "every grid point, as arrays", batch=16_384, independent=True, suits=suits)
