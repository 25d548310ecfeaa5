"""Learning the residual: gradient-boosted trees on log(measured / law), baked to packed words under a budget.

Few trees must say much, so after every few trees all leaf values are fitted again together (fully corrective boosting,
least absolute error by reweighted least squares). That halves what a plain boosted ensemble of this size gives away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.cost.trees import pack

STAGES = 4
REWEIGHTINGS = 4
Floats = NDArray[np.float64]


@dataclass
class Tree:
    """One tree in preorder, and the leaf that each training row reaches."""

    feature: NDArray[np.int64]
    value: Floats
    leaf: NDArray[np.int64]
    """[rows] node index"""


def learn(features: NDArray[np.float32], target: Floats, budget: int) -> NDArray[np.uint32]:
    """Packed trees of at most `budget` words, least absolute error on `target`.

    The number of leaves is chosen on a quarter of the rows set aside, then all rows are used. Empty when the budget
    does not pay for three trees of four leaves.
    """
    sizes = [n for n in (4, 6, 12, 24, 48, 80) if 3 * (2 * n - 1) <= budget < 60 * (2 * n - 1) and len(target) > 8 * n]
    if not sizes:
        return np.empty(0, np.uint32)
    if len(sizes) > 1:
        aside = np.random.default_rng(0).random(len(target)) < 0.25
        errors = []
        for leaves in sizes:
            trees = grow(features[~aside], target[~aside], leaves, budget)
            wrong = np.abs(evaluate(trees, features[aside]) - target[aside])
            errors.append(float(np.median(wrong) + 0.5 * wrong.mean()))
        sizes = [sizes[int(np.argmin(errors))]]
    return words(grow(features, target, sizes[0], budget))


def grow(features: NDArray[np.float32], target: Floats, leaves: int, budget: int) -> list[Tree]:
    """Trees of at most `leaves` leaves each, at most `budget` nodes together."""
    trees: list[Tree] = []
    fitted = np.zeros(len(target))
    count = max(1, budget // (2 * leaves - 1))
    left = budget
    for stage in range(STAGES):
        wanted = count * (stage + 1) // STAGES - count * stage // STAGES
        if stage == STAGES - 1:
            wanted = max(wanted, left // (2 * leaves - 1))
        if not wanted:
            continue
        for tree in _boost(features, target - fitted, leaves, wanted):
            if len(tree.feature) <= left:
                trees.append(tree)
                left -= len(tree.feature)
        if trees:
            fitted = _refit(trees, target)
    return trees


def words(trees: list[Tree]) -> NDArray[np.uint32]:
    packed = [pack(tree.feature, tree.value.astype(np.float32)) for tree in trees]
    return np.concatenate(packed) if packed else np.empty(0, np.uint32)


def evaluate(trees: list[Tree], features: NDArray[np.float32]) -> Floats:
    """Sum of the leaf values for new rows."""
    return np.asarray(sum(tree.value[_leaf(tree.feature, tree.value, features)] for tree in trees))


def _boost(features: NDArray[np.float32], target: Floats, leaves: int, count: int) -> list[Tree]:
    """`count` boosted trees; the constant that they start from goes into the first."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model: Any = HistGradientBoostingRegressor(
        loss="absolute_error",
        max_iter=count,
        max_leaf_nodes=leaves,
        learning_rate=0.3,
        min_samples_leaf=4,
        early_stopping=False,
        random_state=0,
    ).fit(features, target)
    trees: list[Tree] = []
    for (predictor,) in model._predictors:
        feature, value = _preorder(predictor.nodes)
        if not trees:
            value = np.where(feature < 0, value + float(np.ravel(model._baseline_prediction)[0]), value)
        trees.append(Tree(feature, value, _leaf(feature, value, features)))
    return trees


def _refit(trees: list[Tree], target: Floats) -> Floats:
    """All leaf values at once: reweighted least squares towards least absolute error; returns the fitted values."""
    import scipy.sparse

    rows, place, total = len(target), [], 0
    for tree in trees:
        place.append(np.cumsum(tree.feature < 0) - 1 + total)
        total += int((tree.feature < 0).sum())
    columns = np.stack([where[tree.leaf] for tree, where in zip(trees, place, strict=True)], axis=1)
    index = (np.repeat(np.arange(rows), len(trees)), columns.ravel())
    matrix = scipy.sparse.csr_matrix((np.ones(columns.size), index), shape=(rows, total))
    start = np.concatenate([tree.value[tree.feature < 0] for tree in trees])
    value, gap = start, target - matrix @ start
    for _ in range(REWEIGHTINGS):
        wrong = np.abs(target - matrix @ value)
        scale = float(np.median(wrong)) + 1e-12
        weighted = matrix.multiply((scale / np.maximum(wrong, 0.3 * scale))[:, None]).tocsr()
        normal = (matrix.T @ weighted).toarray()
        normal[np.diag_indices(total)] += 1.0
        value = start + np.linalg.solve(normal, weighted.T @ gap)
    for tree, where in zip(trees, place, strict=True):
        leaves = tree.feature < 0
        tree.value[leaves] = value[where[leaves]]
    return np.asarray(matrix @ value)


def _leaf(feature: NDArray[np.int64], value: Floats, features: NDArray[np.float32]) -> NDArray[np.int64]:
    """Node index of the leaf that each row reaches."""
    from simcore.cost.trees import unpack

    forest = unpack(pack(feature, value.astype(np.float32)))
    rows, node = np.arange(len(features)), np.zeros(len(features), np.int64)
    while True:
        inner = feature[node] >= 0
        if not inner.any():
            return node
        left = features[rows, np.where(inner, feature[node], 0)] <= forest.value[node]
        node = np.where(inner, np.where(left, node + 1, forest.right[node]), node)


def _preorder(nodes: Any) -> tuple[NDArray[np.int64], Floats]:
    """Feature (-1 at leaves) and threshold or value, left subtree first."""
    feature: list[int] = []
    value: list[float] = []
    stack = [0]
    while stack:
        node = nodes[stack.pop()]
        leaf = bool(node["is_leaf"])
        feature.append(-1 if leaf else int(node["feature_idx"]))
        value.append(float(node["value"] if leaf else node["num_threshold"]))
        if not leaf:
            stack += [int(node["right"]), int(node["left"])]
    return np.array(feature), np.array(value)
