"""Tree-structured Parzen estimator (Bergstra 2011; multi-objective: Ozaki 2022), by Optuna."""

from __future__ import annotations

from planners.search.adapters import optuna
from planners.search.method import Method, Searcher, Task, tunables
from planners.search.methods._optuna import OptunaSearcher, compressed, quietly, violations
from planners.search.space import Parameter


def make(task: Task, start: int = 10, candidates: int = 24, multivariate: bool = True) -> Searcher:
    sampler = quietly(
        optuna().samplers.TPESampler,
        n_startup_trials=start,
        n_ei_candidates=candidates,
        multivariate=multivariate,
        group=multivariate,
        seed=task.seed,
        constraints_func=violations,
    )
    return OptunaSearcher(task, sampler, compressed)


METHOD = Method(
    "tpe",
    make,
    "Bayesian, Parzen estimators (Optuna)",
    tunables=tunables(
        Parameter.integer("start", 5, 40),
        Parameter.integer("candidates", 8, 64, log=True),
        Parameter.categorical("multivariate", False, True),
    ),
)
