"""Learning the residual: gradient-boosted trees on log(measured / law), baked to packed words under a budget."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.cost.trees import pack

LEARNING_RATES = (0.25, 0.4)


def learn(features: NDArray[np.float32], target: NDArray[np.float64], budget: int) -> NDArray[np.uint32]:
    """Packed trees of at most `budget` words, least absolute error on `target`.

    The number of leaves and the learning rate are chosen on a quarter of the rows set aside, then all rows are used.
    """
    choices = _choices(budget, len(target))
    if not choices:
        return np.empty(0, np.uint32)
    aside = np.random.default_rng(0).random(len(target)) < 0.25
    if len(choices) > 1:
        errors = []
        for leaves, rate in choices:
            model = _boost(features[~aside], target[~aside], leaves, rate, budget)
            wrong = np.abs(model.predict(features[aside]) - target[aside])
            errors.append(float(np.median(wrong) + wrong.mean()))
        choices = [choices[int(np.argmin(errors))]]
    leaves, rate = choices[0]
    return bake(_boost(features, target, leaves, rate, budget), budget)


def _choices(budget: int, rows: int) -> list[tuple[int, float]]:
    """(leaves, learning rate) worth trying."""
    sizes = [n for n in (6, 12, 24, 48, 80) if 3 * (2 * n - 1) <= budget < 60 * (2 * n - 1) and rows > 8 * n]
    return [(leaves, rate) for leaves in sizes for rate in LEARNING_RATES]


def _boost(features: NDArray[np.float32], target: NDArray[np.float64], leaves: int, rate: float, budget: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        loss="absolute_error",
        max_iter=max(1, budget // (2 * leaves - 1)),
        max_leaf_nodes=leaves,
        learning_rate=rate,
        min_samples_leaf=4,
        early_stopping=False,
        random_state=0,
    )
    return model.fit(features, target)


def bake(model: Any, budget: int) -> NDArray[np.uint32]:
    """The words of a fitted model, whole trees only, never more than `budget`."""
    words: list[NDArray[np.uint32]] = []
    base = float(np.ravel(model._baseline_prediction)[0])
    for (predictor,) in model._predictors:
        feature, value = _preorder(predictor.nodes)
        if not words:
            value = np.where(feature < 0, value + base, value).astype(np.float32)
        if sum(len(w) for w in words) + len(feature) > budget:
            break
        words.append(pack(feature, value))
    return np.concatenate(words) if words else np.empty(0, np.uint32)


def _preorder(nodes: Any) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Feature (-1 at leaves) and threshold or value, left subtree first."""
    feature: list[int] = []
    value: list[float] = []
    stack = [0]
    while stack:
        node = nodes[stack.pop()]
        if node["is_leaf"]:
            feature.append(-1)
            value.append(float(node["value"]))
        else:
            feature.append(int(node["feature_idx"]))
            value.append(float(node["num_threshold"]))
            stack += [int(node["right"]), int(node["left"])]
    return np.array(feature), np.array(value, np.float32)
