"""Multi-agent reinforcement learning: one agent per parameter, a shared reward (numpy)."""

from __future__ import annotations

import numpy as np

from planners.search.method import Method, Searcher, Task, tunables
from planners.search.methods._agents import Actions, Agent, softmax
from planners.search.space import Parameter


class MultiAgent(Agent):
    """Independent learners: each agent keeps a value per level and direction and draws from their softmax.

    Hysteretic updates (Matignon 2007) keep an agent from blaming its level for what its team mates tried.
    """

    def __init__(self, task: Task, directions: int, rate: float, forget: float, temperature: float) -> None:
        super().__init__(task, directions)
        self.rate, self.forget, self.temperature = rate, forget, temperature
        self.values = [[np.full(k, -0.5) for k in self.levels] for _ in self.directions]

    def choose(self, direction: int) -> Actions:
        out = np.empty(len(self.levels), np.int64)
        for i, values in enumerate(self.values[direction]):
            chance = np.cumsum(softmax(values / self.temperature))
            out[i] = min(int(np.searchsorted(chance, self.rng.random())), len(values) - 1)
        return out

    def learn(self, new: int) -> None:
        actions = self.actions(self.archive.units[-new:])
        for direction, agents in enumerate(self.values):
            for row, reward in zip(actions, self.rewards(direction)[-new:], strict=True):
                for values, action in zip(agents, row, strict=True):
                    change = reward - values[action]
                    values[action] += self.rate * (change if change > 0 else self.forget * change)


def make(
    task: Task, directions: int = 5, rate: float = 0.5, forget: float = 0.1, temperature: float = 0.08
) -> Searcher:
    return MultiAgent(task, directions, rate, forget, temperature)


METHOD = Method(
    "multi-agent",
    make,
    "reinforcement learning, one agent per parameter, shared reward (numpy)",
    tunables=tunables(
        Parameter.integer("directions", 2, 10),
        Parameter.float("rate", 0.1, 1.0),
        Parameter.float("forget", 0.0, 0.5),
        Parameter.float("temperature", 0.02, 0.3, log=True),
    ),
)
