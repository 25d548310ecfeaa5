"""Policy gradient with a factored categorical policy: one softmax per parameter and direction (numpy).

REINFORCE (Williams 1992) on the best of what was seen (self-imitation, Oh 2018), with an entropy bonus.
"""

from __future__ import annotations

import numpy as np

from planners.search.method import Method, Searcher, Task, tunables
from planners.search.methods._agents import Actions, Agent, softmax
from planners.search.space import Array, Parameter


class Reinforce(Agent):
    """After each evaluation, every direction's logits climb the gradient of the log-likelihood of its elite, weighted
    by advantage over the elite's worst member: sum_i A_i (onehot(a_i) - p), plus the gradient of the entropy.
    """

    def __init__(self, task: Task, directions: int, rate: float, elite: int, entropy: float, explore: float) -> None:
        super().__init__(task, directions)
        self.rate, self.elite, self.entropy, self.explore = rate, elite, entropy, explore
        self.logits = [[np.zeros(k) for k in self.levels] for _ in self.directions]

    def choose(self, direction: int) -> Actions:
        out = np.empty(len(self.levels), np.int64)
        for i, logits in enumerate(self.logits[direction]):
            if self.rng.random() < self.explore:
                out[i] = self.rng.integers(len(logits))
            else:
                out[i] = np.searchsorted(np.cumsum(softmax(logits)), self.rng.random() * (1 - 1e-12))
        return np.asarray(np.minimum(out, np.array(self.levels) - 1))

    def learn(self, new: int) -> None:
        actions = self.actions(self.archive.units)
        for direction in range(len(self.directions)):
            reward = self.rewards(direction)
            best = np.argsort(-reward, kind="stable")[: self.elite]
            advantage = reward[best] - reward[best[-1]] + 1e-3
            advantage = advantage / advantage.sum()
            for i, logits in enumerate(self.logits[direction]):
                self._climb(logits, actions[best, i], advantage, new)

    def _climb(self, logits: Array, chosen: Actions, advantage: Array, steps: int) -> None:
        wanted = np.bincount(chosen, weights=advantage, minlength=len(logits))
        for _ in range(min(steps, 8)):
            p = softmax(logits)
            log_p = np.log(p + 1e-12)
            bonus = -p * (log_p - (p * log_p).sum())
            logits += self.rate * (wanted - p + self.entropy * bonus)


def make(
    task: Task,
    directions: int = 7,
    rate: float = 0.4,
    elite: int = 4,
    entropy: float = 0.2,
    explore: float = 0.05,
) -> Searcher:
    return Reinforce(task, directions, rate, elite, entropy, explore)


METHOD = Method(
    "reinforce",
    make,
    "reinforcement learning, policy gradient with a factored categorical policy (numpy)",
    tunables=tunables(
        Parameter.integer("directions", 3, 12),
        Parameter.float("rate", 0.05, 1.0, log=True),
        Parameter.integer("elite", 2, 16),
        Parameter.float("entropy", 0.0, 0.6),
        Parameter.float("explore", 0.02, 0.3),
    ),
)
