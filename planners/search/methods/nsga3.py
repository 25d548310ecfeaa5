"""NSGA-III (Deb and Jain 2014): non-dominated sorting with reference points, by Optuna."""

from __future__ import annotations

from planners.search.adapters import optuna
from planners.search.method import Method, Searcher, Task, tunables
from planners.search.methods._optuna import OptunaSearcher, quietly, violations
from planners.search.space import Parameter


def make(task: Task, population: int = 20, crossover_ratio: float = 0.9, swapping_ratio: float = 0.5) -> Searcher:
    sampler = quietly(
        optuna().samplers.NSGAIIISampler,
        population_size=population,
        crossover_prob=crossover_ratio,
        swapping_prob=swapping_ratio,
        seed=task.seed,
        constraints_func=violations,
    )
    return OptunaSearcher(task, sampler)


METHOD = Method(
    "nsga3",
    make,
    "evolutionary, NSGA-III (Optuna)",
    tunables=tunables(
        Parameter.integer("population", 8, 60),
        Parameter.float("crossover_ratio", 0.5, 1.0),
        Parameter.float("swapping_ratio", 0.1, 0.9),
    ),
)
