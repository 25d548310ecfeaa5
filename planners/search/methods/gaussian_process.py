"""Gaussian process with expected improvement; several objectives by ParEGO (Knowles 2006). scikit-learn."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from planners.search.method import (
    Archive,
    Ask,
    Method,
    Searcher,
    Task,
    Told,
    chebyshev,
    features,
    tunables,
    weights,
)
from planners.search.mutation import Mutation, fresh
from planners.search.space import Array, Parameter

REFIT_GROWTH = 1.6
"""length scales are fitted again each time the data has grown by this factor"""


class GaussianProcess:
    """Each ask draws a direction, fits the scalarised objective (Matern 5/2, one length scale per feature, noise) and
    takes the candidate of largest expected improvement; candidates are random points and children of the frontier.

    Costs O(n^3) per evaluation: for evaluations that take longer than about 20 ms, and up to a thousand of them.
    """

    def __init__(self, task: Task, start: int, candidates: int, children_ratio: float) -> None:
        self.task, self.start, self.candidates, self.children_ratio = task, start, candidates, children_ratio
        self.rng, self.archive = np.random.default_rng(task.seed), Archive(task)
        self.kernel: Any = None
        self.fitted = 0

    def ask(self, count: int) -> Ask:
        if len(self.archive) < self.start:
            count = min(count, self.start - len(self.archive))
            return Ask(fresh(self.archive, self.task.space.sample(self.rng, 4 * count), count))
        return Ask(np.concatenate([self._best(1) for _ in range(count)]))

    def _best(self, count: int) -> Array:
        archive, space = self.archive, self.task.space
        target = chebyshev(archive.scaled(), weights(self.rng, self.task.objectives))
        mean, spread = target.mean(), target.std() or 1.0
        model = self._fit(features(space, archive.units), (target - mean) / spread)
        near = int(self.candidates * self.children_ratio)
        pool = np.concatenate(
            [
                space.sample(self.rng, self.candidates - near),
                Mutation().children(space, archive.parents(), self.rng, near),
            ]
        )
        guess, sigma = model.predict(features(space, pool), return_std=True)
        gain = expected_improvement(guess, sigma, (target.min() - mean) / spread)
        return fresh(archive, pool[np.argsort(-gain, kind="stable")], count)

    def _fit(self, x: Array, y: Array) -> Any:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import Matern, WhiteKernel

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # length scales at a bound mean that a feature does not matter
            if self.kernel is None or len(x) >= self.fitted * REFIT_GROWTH:
                first = Matern(np.full(x.shape[1], 0.5), (0.05, 20.0), nu=2.5) + WhiteKernel(1e-2, (1e-5, 1.0))
                model = GaussianProcessRegressor(self.kernel or first).fit(x, y)
                self.kernel, self.fitted = model.kernel_, len(x)
                return model
            return GaussianProcessRegressor(self.kernel, optimizer=None).fit(x, y)

    def tell(self, told: Told) -> None:
        self.archive.add(told)


def expected_improvement(mean: Array, sigma: Array, best: float) -> Array:
    """E[max(best - f, 0)] for f ~ N(mean, sigma^2) (Jones 1998), minimising."""
    from scipy.special import ndtr

    sigma = np.maximum(sigma, 1e-9)
    z = (best - mean) / sigma
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return np.asarray((best - mean) * ndtr(z) + sigma * density)


def make(task: Task, start: int = 20, candidates: int = 400, children_ratio: float = 0.5) -> Searcher:
    return GaussianProcess(task, start, candidates, children_ratio)


METHOD = Method(
    "gaussian-process",
    make,
    "Bayesian, Gaussian process with expected improvement, ParEGO (scikit-learn)",
    tunables=tunables(
        Parameter.integer("start", 8, 40),
        Parameter.integer("candidates", 100, 800, log=True),
        Parameter.float("children_ratio", 0.0, 0.9),
    ),
)
