"""A residual where a table holds whole models, and who answers for a model that the table lacks.

A residual that sees every shape column learns models by heart. About a model never measured it may still know more than
the law, or answer with its nearest neighbour's oddities (a stack's tuner picks a poor kernel for one model in eight).
Leaving models out says which; where it is the latter, a small second forest is learnt that sees only features which
mean the same in every model, and it alone answers for models never measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simcore.calibration.forest import Features, Floats, evaluate
from simcore.calibration.residual import grow, learn, manners
from simcore.calibration.tables import Group
from simcore.cost.laws._base import Law

MINIMUM_MODELS = 5
"""in a table, below which nothing can be learnt about others"""
SHARE = 0.1
"""of the numbers, spent on models never measured where that pays"""
FOLDS = 4
AWAY_ROWS = 4000
"""that the errors on models left out are found from"""


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
    """Trees of at most `budget` numbers, of them SHARE for other models where the law names models and it pays.

    The rows of `known` come first in `features` and `target`; rows of sibling chips may follow.
    """
    if not rule.identity:
        return Residuals(learn(features, target, budget))
    models, index = models_of(known, rule.identity)
    if len(models) < MINIMUM_MODELS:
        return Residuals(learn(features, target, budget))
    budget -= models.size + 1
    few = int(SHARE * budget)
    rows, general = len(index), np.ascontiguousarray(features[:, : rule.shared])
    own = left_out(features[:rows], target[:rows], index, budget)
    away = left_out(general[:rows], target[:rows], index, few)
    if mean_error(own) <= mean_error(away):
        words, spread = learn(features, target, budget), float(np.quantile(np.abs(own), 0.8))
        return Residuals(words, known=models.ravel(), away_spread=spread)
    shared_words = learn(general, target, few)
    words = learn(features, target, budget - len(shared_words))
    return Residuals(words, shared_words, models.ravel(), float(np.quantile(np.abs(away), 0.8)))


def mean_error(logs: Floats) -> float:
    """Mean absolute relative error of log(predicted / measured)."""
    return float(np.abs(np.expm1(logs)).mean())


def left_out(features: Features, target: Floats, model: NDArray[np.int64], budget: int) -> Floats:
    """log(predicted / measured) of up to AWAY_ROWS rows whose models took no part, a quarter left out at a time."""
    some = np.random.default_rng(0).permutation(len(target))[:AWAY_ROWS]
    budget = int(budget * len(some) / len(target))
    features, target, fold = features[some], target[some], model[some] % FOLDS
    wrong = -target
    for part in range(FOLDS):
        aside = fold == part
        ways = manners(budget, int((~aside).sum()))
        if ways:
            trees = grow(features[~aside], target[~aside], budget, ways[-1])
            wrong[aside] += evaluate(trees, features[aside])
    return wrong
