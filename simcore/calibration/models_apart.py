"""Two residuals where a table holds whole models: what all models share, and what is peculiar to each measured one.

A single residual learns models by heart and, asked about another one, answers with its nearest neighbour's oddities
(a stack's tuner picks a poor kernel for one model in eight). So the first trees see only features that mean the same in
every model; the others add what is left, and are asked about the measured models alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simcore.calibration.forest import Features, Floats
from simcore.calibration.residual import learn
from simcore.calibration.tables import Group
from simcore.cost.laws._base import Law
from simcore.cost.trees import unpack

MINIMUM_MODELS = 5
"""in a table, below which nothing can be learnt about others"""
SHARE = 0.25
"""of the numbers, spent on what the models share"""
FOLDS = 3
AWAY_ROWS = 4000
"""that the error on models left out is found from"""


@dataclass(frozen=True)
class Residuals:
    """The trees of a fit, see `simcore.cost.calibrated.KernelFit`."""

    words: NDArray[np.uint32]
    shared_words: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    known: Floats = field(default_factory=lambda: np.empty(0))
    away_spread: float = 0.0


def models_of(group: Group, columns: tuple[str, ...]) -> tuple[Floats, NDArray[np.int64]]:
    """(models `[models, columns]` in sorted order, index of the model of every row `[rows]`)."""
    table = np.stack([group.shapes[name] for name in columns], axis=1)
    found, index = np.unique(table, axis=0, return_inverse=True)
    return found, np.asarray(index).ravel()


def learn_residuals(rule: Law, known: Group, features: Features, target: Floats, budget: int) -> Residuals:
    """Trees of at most `budget` numbers; in two parts where the law names models and the table has enough of them.

    The rows of `known` come first in `features` and `target`; rows of sibling chips may follow.
    """
    if not rule.identity:
        return Residuals(learn(features, target, budget))
    models, index = models_of(known, rule.identity)
    if len(models) < MINIMUM_MODELS:
        return Residuals(learn(features, target, budget))
    budget -= models.size + 1
    general = np.ascontiguousarray(features[:, : rule.shared])
    shared_words = learn(general, target, int(SHARE * budget))
    rest = target - unpack(shared_words)(general)
    words = learn(features, rest, budget - len(shared_words))
    spread = away_spread(general[: len(index)], target[: len(index)], index, int(SHARE * budget))
    return Residuals(words, shared_words, models.ravel(), spread)


def away_spread(features: Features, target: Floats, model: NDArray[np.int64], budget: int) -> float:
    """80 % quantile of |log error| on models that took no part, a third of them left out at a time."""
    some = np.random.default_rng(0).permutation(len(target))[:AWAY_ROWS]
    budget = int(budget * len(some) / len(target))
    features, target, fold = features[some], target[some], model[some] % FOLDS
    wrong = np.empty(len(some))
    for part in range(FOLDS):
        aside = fold == part
        trees = unpack(learn(features[~aside], target[~aside], budget))
        wrong[aside] = np.abs(target[aside] - trees(features[aside]))
    return float(np.quantile(wrong, 0.8))
