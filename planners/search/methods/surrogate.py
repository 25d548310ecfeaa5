"""Surrogate-assisted Pareto mutation: a forest trained on past evaluations picks among many children."""

from __future__ import annotations

from typing import Any

import numpy as np

from planners.search.method import Archive, Ask, Method, Searcher, Task, Told, chebyshev, features, tunables, weights
from planners.search.mutation import Mutation, fresh
from planners.search.space import Array, Parameter


class Surrogate:
    """Extremely randomised trees (Geurts 2006) predict scaled objectives and feasibility; of many children, those are
    asked whose optimistic prediction (mean minus `optimism` standard deviations over trees) is best in a random
    direction each. A share `explore` of the asks are plain children of the frontier, which the forest cannot veto:
    without them it may never visit a level that did badly in bad company.

    `error_ratio` is the proxy's root-mean-square error on points it had not seen, over the spread of their values.
    """

    def __init__(self, task: Task, start: int, every: int, optimism: float, pool: int, explore: float) -> None:
        self.task, self.start, self.every, self.optimism, self.pool = task, start, every, optimism, pool
        self.explore = explore
        self.rng, self.archive = np.random.default_rng(task.seed), Archive(task)
        self.model: Any = None
        self.fitted = 0
        self.guesses: list[tuple[Array, Array]] = []

    def ask(self, count: int) -> Ask:
        if len(self.archive) < self.start:
            count = min(count, self.start - len(self.archive))
            return Ask(fresh(self.archive, self.task.space.sample(self.rng, 4 * count), count))
        if self.rng.random() < self.explore:
            plain = Mutation().children(self.task.space, self.archive.parents(), self.rng, 8 * count)
            return Ask(fresh(self.archive, plain, count))
        if self.model is None or len(self.archive) - self.fitted >= self.every:
            self._fit()
        space, parents = self.task.space, self.archive.parents()
        near = Mutation().children(space, parents, self.rng, 3 * self.pool // 4)
        pool = np.concatenate([near, space.sample(self.rng, self.pool - len(near))])
        guess = self._predict(pool)
        picks = []
        for _ in range(count):
            order = np.argsort(chebyshev(guess, weights(self.rng, self.task.objectives)), kind="stable")
            rest = [row for row in fresh(self.archive, pool[order], count) if row.tobytes() not in picks]
            picks.append(rest[0].tobytes() if rest else pool[order[0]].tobytes())
        return Ask(np.stack([np.frombuffer(p) for p in picks]))

    def _fit(self) -> None:
        from sklearn.ensemble import ExtraTreesRegressor

        archive = self.archive
        self.model = ExtraTreesRegressor(40, min_samples_leaf=1, random_state=self.task.seed % 2**31)
        self.model.fit(features(self.task.space, archive.units), archive.scaled())
        self.fitted = len(archive)

    def _predict(self, units: Array) -> Array:
        x = features(self.task.space, units).astype(np.float32)
        votes = np.stack([tree.predict(x, check_input=False) for tree in self.model.estimators_])
        votes = votes.reshape(len(votes), len(units), self.task.objectives)
        return np.asarray(votes.mean(axis=0) - self.optimism * votes.std(axis=0))

    def tell(self, told: Told) -> None:
        if self.model is not None and len(told.units):
            x = features(self.task.space, told.units)
            guess = np.asarray(self.model.predict(x)).reshape(len(told.units), self.task.objectives)
            self.archive.add(told)
            self.guesses.append((guess, self.archive.scaled()[-len(told.units) :]))
            return
        self.archive.add(told)

    @property
    def error_ratio(self) -> float:
        """NaN before the first prediction was checked."""
        if not self.guesses:
            return float("nan")
        guess, seen = (np.concatenate(part) for part in zip(*self.guesses, strict=True))
        return float(np.sqrt(((guess - seen) ** 2).mean()) / (seen.std() or 1.0))


def make(
    task: Task, start: int = 25, every: int = 3, optimism: float = 0.5, pool: int = 400, explore: float = 0.5
) -> Searcher:
    return Surrogate(task, start, every, optimism, pool, explore)


METHOD = Method(
    "surrogate",
    make,
    "Pareto mutation screened by a forest (scikit-learn)",
    tunables=tunables(
        Parameter.integer("start", 8, 40),
        Parameter.integer("every", 2, 20),
        Parameter.float("optimism", 0.0, 2.0),
        Parameter.integer("pool", 100, 1000, log=True),
        Parameter.float("explore", 0.0, 0.6),
    ),
)
