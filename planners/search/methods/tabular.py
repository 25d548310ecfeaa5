"""Tabular Q-learning that fills in a point parameter by parameter (numpy)."""

from __future__ import annotations

import numpy as np

from planners.search.method import Method, Searcher, Task, tunables
from planners.search.methods._agents import Actions, Agent
from planners.search.space import Parameter


class Tabular(Agent):
    """State: parameter and the level chosen before it; one table per direction; the return is the final reward.

    Hysteretic updates (Matignon 2007): good news moves a value by `rate`, bad news by `rate * forget`, so that a level
    is judged by the best it was part of. Greedy with probability 1 - explore.
    """

    def __init__(self, task: Task, directions: int, rate: float, forget: float, explore: float) -> None:
        super().__init__(task, directions)
        self.rate, self.forget, self.explore = rate, forget, explore
        before = [1, *self.levels[:-1]]
        self.tables = [
            [np.full((b, k), -0.6) for b, k in zip(before, self.levels, strict=True)] for _ in self.directions
        ]

    def choose(self, direction: int) -> Actions:
        out = np.zeros(len(self.levels), np.int64)
        last = 0
        for i, table in enumerate(self.tables[direction]):
            row = table[last]
            if self.rng.random() < self.explore:
                last = int(self.rng.integers(len(row)))
            else:
                last = int(np.argmax(row + 1e-6 * self.rng.random(len(row))))
            out[i] = last
        return out

    def learn(self, new: int) -> None:
        actions = self.actions(self.archive.units[-new:])
        for direction, tables in enumerate(self.tables):
            rewards = self.rewards(direction)[-new:]
            for row, reward in zip(actions, rewards, strict=True):
                last = 0
                for table, action in zip(tables, row, strict=True):
                    change = reward - table[last, action]
                    table[last, action] += self.rate * (change if change > 0 else self.forget * change)
                    last = int(action)


def make(task: Task, directions: int = 5, rate: float = 0.5, forget: float = 0.2, explore: float = 0.25) -> Searcher:
    return Tabular(task, directions, rate, forget, explore)


METHOD = Method(
    "tabular",
    make,
    "reinforcement learning, tabular Q over a sequence of choices (numpy)",
    tunables=tunables(
        Parameter.integer("directions", 2, 10),
        Parameter.float("rate", 0.1, 1.0),
        Parameter.float("forget", 0.0, 1.0),
        Parameter.float("explore", 0.05, 0.6),
    ),
)
