"""CMA-ES (Hansen 2016) in numpy: one objective, ordered parameters only."""

from __future__ import annotations

import numpy as np

from planners.search.method import Ask, Method, Searcher, Task, Told, tunables
from planners.search.space import Array, Parameter


class CmaEs:
    """Covariance matrix adaptation on the unit cube, full rank-one and rank-mu updates with the default weights.

    Discrete parameters are rounded for evaluation; infeasible rows rank below all feasible ones by their violation.
    The step size is kept above half an interval of the coarsest parameter, without which rounding stalls it.
    """

    def __init__(self, task: Task, population: int | None, sigma: float) -> None:
        self.space, self.rng = task.space, np.random.default_rng(task.seed)
        n = self.n = len(task.space)
        self.population = population or 4 + int(3 * np.log(n))
        mu = self.population // 2
        raw = np.log(mu + 0.5) - np.log(np.arange(1, mu + 1))
        self.weight: Array = raw / raw.sum()
        eff = self.effective = float(1 / (self.weight**2).sum())
        self.c_sigma = (eff + 2) / (n + eff + 5)
        self.damping = 1 + 2 * max(0.0, np.sqrt((eff - 1) / (n + 1)) - 1) + self.c_sigma
        self.c_path = (4 + eff / n) / (n + 4 + 2 * eff / n)
        self.c_one = 2 / ((n + 1.3) ** 2 + eff)
        self.c_mu = min(1 - self.c_one, 2 * (eff - 2 + 1 / eff) / ((n + 2) ** 2 + eff))
        self.mean, self.sigma = np.full(n, 0.5), sigma
        self.covariance: Array = np.eye(n)
        self.path_sigma, self.path = np.zeros(n), np.zeros(n)
        self.norm = np.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2))
        self.least = max([0.5 / p.levels for p in task.space.parameters if p.levels], default=1e-9) * 0.5
        self.drawn: list[Array] = []
        self.told: list[tuple[Array, float]] = []

    def ask(self, count: int) -> Ask:
        return Ask(self.space.filled(self._draw, count))

    def _draw(self, count: int) -> Array:
        root = np.linalg.cholesky(self.covariance + 1e-12 * np.eye(self.n))
        steps: Array = self.rng.normal(size=(count, self.n)) @ root.T
        return np.asarray(np.clip(self.mean + self.sigma * steps, 0.0, 1.0), float)

    def tell(self, told: Told) -> None:
        for unit, value, violation in zip(told.units, told.values[:, 0], told.violation, strict=True):
            self.told.append((unit, float(value) if violation <= 0 else 1e30 * (1 + float(violation))))
            if len(self.told) == self.population:
                self._update()
                self.told = []

    def _update(self) -> None:
        order = np.argsort([value for _, value in self.told], kind="stable")[: len(self.weight)]
        chosen = np.stack([self.told[i][0] for i in order])
        before, self.mean = self.mean, self.weight @ chosen
        steps = (chosen - before) / self.sigma
        step = (self.mean - before) / self.sigma
        values, vectors = np.linalg.eigh(self.covariance)
        whitened = vectors @ ((vectors.T @ step) / np.sqrt(np.maximum(values, 1e-12)))
        gain = np.sqrt(self.c_sigma * (2 - self.c_sigma) * self.effective)
        self.path_sigma = (1 - self.c_sigma) * self.path_sigma + gain * whitened
        length = float(np.linalg.norm(self.path_sigma))
        moving = length / self.norm < 1.4 + 2 / (self.n + 1)
        gain = np.sqrt(self.c_path * (2 - self.c_path) * self.effective)
        self.path = (1 - self.c_path) * self.path + (gain * step if moving else 0.0)
        rank_mu = (steps.T * self.weight) @ steps
        keep = 1 - self.c_one - self.c_mu
        self.covariance = keep * self.covariance + self.c_one * np.outer(self.path, self.path) + self.c_mu * rank_mu
        self.sigma *= float(np.exp(self.c_sigma / self.damping * (length / self.norm - 1)))
        self.sigma = float(np.clip(self.sigma, self.least, 1.0))


def make(task: Task, population: int | None = None, sigma: float = 0.3) -> Searcher:
    return CmaEs(task, population, sigma)


def suits(task: Task) -> str | None:
    if task.objectives > 1:
        return "it has several objectives; CMA-ES takes one"
    unfit = [p.name for p in task.space.parameters if not p.ordered or p.when]
    if unfit:
        return f"{', '.join(unfit)} have no order or exist only sometimes"
    return "one parameter is not enough" if len(task.space) < 2 else None


METHOD = Method(
    "cma-es",
    make,
    "evolutionary, covariance matrix adaptation; one objective, ordered parameters (numpy)",
    tunables=tunables(Parameter.integer("population", 6, 40), Parameter.float("sigma", 0.1, 0.5)),
    suits=suits,
)
