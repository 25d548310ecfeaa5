"""A forest while it is learnt: boosted trees, all leaf values fitted together, and the pruning that makes it small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.cost.trees import pack, unpack

REWEIGHTINGS = 4
STEPS = 30
"""of conjugate gradients per reweighting"""
Floats = NDArray[np.float64]
Features = NDArray[np.float32]


@dataclass
class Tree:
    """One tree in preorder, and the leaf that each training row reaches."""

    feature: NDArray[np.int64]
    value: Floats
    leaf: NDArray[np.int64]
    """[rows] node index"""


def size(trees: list[Tree]) -> int:
    """Nodes of all trees together."""
    return sum(len(tree.feature) for tree in trees)


def words(trees: list[Tree]) -> NDArray[np.uint32]:
    packed = [pack(tree.feature, tree.value.astype(np.float32)) for tree in trees]
    return np.concatenate(packed) if packed else np.empty(0, np.uint32)


def evaluate(trees: list[Tree], features: Features) -> Floats:
    """Sum of the leaf values for new rows."""
    return unpack(words(trees))(features)


def boost(features: Features, target: Floats, leaves: int, count: int, rate: float) -> list[Tree]:
    """`count` boosted trees, least absolute error; the constant that they start from goes into the first."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model: Any = HistGradientBoostingRegressor(
        loss="absolute_error",
        max_iter=count,
        max_leaf_nodes=leaves,
        learning_rate=rate,
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


def refit(trees: list[Tree], target: Floats, ridge: float, rounds: int = REWEIGHTINGS) -> None:
    """All leaf values at once: reweighted least squares towards least absolute error, `ridge` towards what they are.

    The normal equations are solved by conjugate gradients with a diagonal preconditioner, from the values as they are.
    """
    import scipy.sparse

    place, columns, total = _columns(trees)
    ends = np.arange(0, columns.size + 1, columns.shape[1])
    matrix = scipy.sparse.csr_matrix((np.ones(columns.size), columns.ravel(), ends), shape=(len(target), total))
    across = matrix.T.tocsr()
    start = np.concatenate([tree.value[tree.feature < 0] for tree in trees])
    gap, step = target - matrix @ start, np.zeros(total)
    for _ in range(rounds):
        wrong = np.abs(gap - matrix @ step)
        scale = float(np.median(wrong)) + 1e-12
        weight = scale / np.maximum(wrong, 0.3 * scale)

        def normal(v: Floats, weight: Floats = weight) -> Floats:
            return np.asarray(across @ (weight * (matrix @ v)) + ridge * v)

        step = _solve(normal, across @ (weight * gap), step, across @ weight + ridge)
    for tree, where in zip(trees, place, strict=True):
        ends_here = tree.feature < 0
        tree.value[ends_here] = (start + step)[where[ends_here]]


def _solve(normal: Any, right: Floats, guess: Floats, diagonal: Floats) -> Floats:
    """Conjugate gradients, a fixed number of steps."""
    result, rest = guess.copy(), right - normal(guess)
    scaled = rest / diagonal
    direction, product = scaled.copy(), rest @ scaled
    for _ in range(STEPS):
        if product <= 1e-18:
            break
        image = normal(direction)
        length = product / (direction @ image)
        result += length * direction
        rest -= length * image
        scaled = rest / diagonal
        before, product = product, rest @ scaled
        direction = scaled + product / before * direction
    return result


def _columns(trees: list[Tree]) -> tuple[list[NDArray[np.int64]], NDArray[np.int64], int]:
    """Number of every leaf in a common count: per node of each tree, per row and tree, and how many there are."""
    place, total = [], 0
    for tree in trees:
        place.append(np.cumsum(tree.feature < 0) - 1 + total)
        total += int((tree.feature < 0).sum())
    columns = np.stack([where[tree.leaf] for tree, where in zip(trees, place, strict=True)], axis=1)
    return place, columns, total


def prune(trees: list[Tree], count: int) -> list[Tree]:
    """Join the `count` pairs of sibling leaves that cost least (rows x squared difference); single leaves move on."""
    pairs: list[tuple[float, int, int]] = []
    for index, tree in enumerate(trees):
        right = unpack(pack(tree.feature, tree.value.astype(np.float32))).right
        rows = np.bincount(tree.leaf, minlength=len(tree.feature)).astype(float)
        for node in np.flatnonzero(tree.feature >= 0).tolist():
            one, two = node + 1, int(right[node])
            if tree.feature[one] < 0 and tree.feature[two] < 0:
                shared = rows[one] * rows[two] / max(rows[one] + rows[two], 1.0)
                pairs.append((float(shared * (tree.value[one] - tree.value[two]) ** 2), index, node))
    chosen: dict[int, list[int]] = {}
    for _, index, node in sorted(pairs)[:count]:
        chosen.setdefault(index, []).append(node)
    return _without_stumps([_joined(tree, chosen[i]) if i in chosen else tree for i, tree in enumerate(trees)])


def _joined(tree: Tree, nodes: list[int]) -> Tree:
    """The tree with the two leaves under each of `nodes` made one."""
    right = unpack(pack(tree.feature, tree.value.astype(np.float32))).right
    rows = np.bincount(tree.leaf, minlength=len(tree.feature)).astype(float)
    feature, value = tree.feature.copy(), tree.value.copy()
    keep, moved = np.ones(len(feature), bool), np.arange(len(feature))
    for node in nodes:
        one, two = node + 1, int(right[node])
        feature[node] = -1
        total = rows[one] + rows[two]
        value[node] = (rows[one] * value[one] + rows[two] * value[two]) / total if total else value[one]
        keep[one] = keep[two] = False
        moved[one] = moved[two] = node
    number = np.cumsum(keep) - 1
    return Tree(feature[keep], value[keep], number[moved[tree.leaf]])


def _without_stumps(trees: list[Tree]) -> list[Tree]:
    """Trees of one leaf are a constant: it goes into the first tree that splits."""
    grown = [tree for tree in trees if len(tree.feature) > 1]
    constant = sum(float(tree.value[0]) for tree in trees if len(tree.feature) == 1)
    if not grown:
        return trees[:1]
    first = grown[0]
    value = np.where(first.feature < 0, first.value + constant, first.value)
    return [Tree(first.feature, value, first.leaf), *grown[1:]]


def _leaf(feature: NDArray[np.int64], value: Floats, features: Features) -> NDArray[np.int64]:
    """Node index of the leaf that each row reaches."""
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
