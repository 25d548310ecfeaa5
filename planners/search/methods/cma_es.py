"""CMA-ES with margin (Hansen 2016; Hamano 2022), by the library cmaes: one objective, ordered parameters only."""

from __future__ import annotations

from typing import Any

import numpy as np

from planners.search.adapters import cmaes
from planners.search.method import Ask, Method, Searcher, Task, Told, tunables
from planners.search.space import Array, Parameter


class CmaEs:
    """Covariance matrix adaptation on the unit cube. The margin keeps a discrete parameter from settling on one level
    too early; infeasible rows rank below all feasible ones by their violation."""

    def __init__(self, task: Task, population: int | None, sigma: float) -> None:
        self.space = task.space
        steps = [1.0 / p.levels if p.levels else 0.0 for p in task.space.parameters]
        bounds = np.array([[step / 2, 1.0 - step / 2] for step in steps])
        self.sampler: Any = cmaes().CMAwM(
            mean=np.full(len(steps), 0.5),
            sigma=sigma,
            bounds=bounds,
            steps=np.array(steps),
            seed=task.seed % 2**32,
            population_size=population,
        )
        self.drawn: dict[bytes, Array] = {}
        """by the row that is evaluated, what the sampler is told it drew"""
        self.told: list[tuple[Array, float]] = []

    def ask(self, count: int) -> Ask:
        return Ask(self.space.filled(self._draw, count))

    def _draw(self, count: int) -> Array:
        pairs = [self.sampler.ask() for _ in range(count)]
        rows = self.space.canonical(np.stack([np.clip(shown, 0.0, 1.0) for shown, _ in pairs]))
        self.drawn |= {row.tobytes(): inner for row, (_, inner) in zip(rows, pairs, strict=True)}
        return rows

    def tell(self, told: Told) -> None:
        for unit, value, violation in zip(told.units, told.values[:, 0], told.violation, strict=True):
            height = float(value) if violation <= 0 else 1e30 * (1.0 + float(violation))
            self.told.append((self.drawn.get(unit.tobytes(), unit), height))
            if len(self.told) == self.sampler.population_size:
                self.sampler.tell(self.told)
                self.told, self.drawn = [], {}


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
    "evolutionary, covariance matrix adaptation with margin; one objective, ordered parameters (cmaes)",
    tunables=tunables(Parameter.integer("population", 6, 40), Parameter.float("sigma", 0.1, 0.5)),
    suits=suits,
)
