"""What the learning agents share: actions per parameter, directions of reward, and hindsight.

Every answer holds all objectives, so it is a reward in every direction at once: an agent that keeps one policy per
direction learns in all of them from each evaluation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planners.search.adapters import levels
from planners.search.method import Archive, Ask, Task, Told, chebyshev
from planners.search.space import TRIES, Array

Actions = NDArray[np.int64]


class Agent:
    """Base: turns actions [parameters] into points and answers into rewards; a subclass chooses and learns."""

    def __init__(self, task: Task, directions: int, repeats: bool = False) -> None:
        self.task, self.space, self.repeats = task, task.space, repeats
        self.rng, self.archive = np.random.default_rng(task.seed), Archive(task)
        self.levels = levels(task.space)
        self.directions = spread(task.objectives, directions)
        self.turn = 0

    def ask(self, count: int) -> Ask:
        return Ask(np.concatenate([self._one() for _ in range(count)]))

    def _one(self) -> Array:
        """A point that was not asked before, if the policy gives one in a few tries."""
        direction = self.turn % len(self.directions)
        self.turn += 1
        spare: Array | None = None
        for _ in range(TRIES):
            unit = self.space.canonical(self._units(self.choose(direction)))
            if self.space.constraints and not self.space.allowed(self.space.points(unit))[0]:
                continue
            if self.repeats or self.archive.is_new(unit[0]):
                return unit
            spare = unit
        return spare if spare is not None else self.space.sample(self.rng, 1)

    def _units(self, actions: Actions) -> Array:
        inside = [0.5 if p.levels is not None else self.rng.random() for p in self.space.parameters]
        return np.array([[(a + i) / k for a, i, k in zip(actions, inside, self.levels, strict=True)]])

    def actions(self, units: Array) -> Actions:
        """Levels of rows, [rows, parameters]."""
        levels = np.array(self.levels)
        return np.asarray(np.minimum((units * levels).astype(np.int64), levels - 1))

    def tell(self, told: Told) -> None:
        if not len(told.units):
            return
        self.archive.add(told)
        self.learn(len(told.units))

    def rewards(self, direction: int) -> Array:
        """Reward of every evaluation so far in a direction, higher is better, [evaluations]."""
        return -chebyshev(self.archive.scaled(), self.directions[direction])

    def choose(self, direction: int) -> Actions:
        raise NotImplementedError

    def learn(self, new: int) -> None:
        """The last `new` evaluations of the archive are fresh."""
        raise NotImplementedError


def spread(objectives: int, count: int) -> Array:
    """Directions on the simplex, evenly for two objectives, from a fixed stream for more.

    >>> spread(2, 3).tolist()
    [[0.05, 0.95], [0.5, 0.5], [0.95, 0.05]]
    """
    if objectives == 1:
        return np.ones((1, 1))
    if objectives == 2:
        first = np.linspace(0.05, 0.95, count) if count > 1 else np.array([0.5])
        return np.asarray(np.round(np.stack([first, 1 - first], axis=1), 12), np.float64)
    return np.asarray(np.random.default_rng(0).dirichlet(np.ones(objectives), count))


def softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max())
    return np.asarray(shifted / shifted.sum())
