"""Successive halving (Jamieson and Talwalkar 2016): many candidates cheaply, the best of them again and better."""

from __future__ import annotations

import numpy as np

from planners.search.method import Archive, Ask, Method, Searcher, Task, Told, tunables
from planners.search.methods.multi_fidelity import peel
from planners.search.mutation import Mutation, fresh
from planners.search.space import Array, Parameter


class Halving:
    """Brackets: `width` candidates enter the lowest rung; the best 1 / `keep` of each rung, by non-dominated order of
    their means, enters the next. Rungs are the evaluator's levels and, for a noisy one, repeated full evaluations.

    The first bracket is random, later ones are children of the best so far.
    """

    def __init__(self, task: Task, width: int, keep: int, repeats: int) -> None:
        self.task, self.width, self.keep = task, width, keep
        self.rng, self.mutation, self.archive = np.random.default_rng(task.seed), Mutation(), Archive(task)
        full = [-1] * (repeats if task.noisy else 1)
        self.rungs = [i - len(task.costs) for i in range(len(task.costs) - 1)] + full
        self.rung, self.waiting = 0, self._enter()
        self.seen: list[Told] = []

    def _enter(self) -> Array:
        space = self.task.space
        if not len(self.archive):
            return space.sample(self.rng, self.width)
        pool = self.mutation.children(space, self.archive.parents(), self.rng, 6 * self.width)
        return fresh(self.archive, pool, self.width)

    def ask(self, count: int) -> Ask:
        if not len(self.waiting):
            self._next()
        rows, self.waiting = self.waiting[:count], self.waiting[count:]
        return Ask(rows, self.rungs[self.rung])

    def _next(self) -> None:
        """Close a rung: its best go on, or a new bracket starts."""
        best = peel(self._means())
        if self.rung + 1 < len(self.rungs) and best:
            self.rung += 1
            self.waiting = np.stack(best[: max(1, len(best) // self.keep)])
        else:
            self.rung, self.waiting = 0, self._enter()
        self.seen = []

    def _means(self) -> Archive:
        """This rung's points with the means over all their evaluations at its level."""
        rung = Archive(self.task)
        for told in self.seen:
            rung.add(told)
        if self.rungs[self.rung] == -1:
            for i, unit in enumerate(rung.units):
                same = (self.archive.units == unit).all(axis=1)
                rung.values[i] = self.archive.values[same].mean(axis=0)
        return rung

    def tell(self, told: Told) -> None:
        self.seen.append(told)
        if told.level == -1:
            self.archive.add(told)


def make(task: Task, width: int = 24, keep: int = 3, repeats: int = 2) -> Searcher:
    return Halving(task, width, keep, repeats)


def suits(task: Task) -> str | None:
    return None if len(task.costs) > 1 or task.noisy else "its evaluator is exact and has one level of fidelity"


METHOD = Method(
    "halving",
    make,
    "successive halving over fidelities and repeats",
    batch=8,
    tunables=tunables(
        Parameter.integer("width", 8, 60), Parameter.integer("keep", 2, 4), Parameter.integer("repeats", 1, 4)
    ),
    suits=suits,
)
