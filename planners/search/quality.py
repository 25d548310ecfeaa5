"""How good a set of points is: hypervolume, knee, regret."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planners.pareto import non_dominated

Array = NDArray[np.float64]


def hypervolume(values: Array, reference: Array) -> float:
    """Volume that rows of `values` [rows, objectives] (minimised) dominate below `reference`; NaN rows count nothing.

    Two objectives cost a sort; more are sliced along the last one (Fonseca et al. 2006, without their pruning), which
    is slow beyond a few hundred points in four or more dimensions.

    >>> hypervolume(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([3.0, 3.0]))
    3.0
    >>> hypervolume(np.array([[0.0, 0.0, 0.0]]), np.array([1.0, 2.0, 3.0]))
    6.0
    """
    values = np.asarray(values, float).reshape(-1, len(reference))
    inside = values[np.isfinite(values).all(axis=1)]
    inside = inside[(inside < reference).all(axis=1)]
    return _volume(inside[non_dominated(inside)], reference) if len(inside) else 0.0


def _volume(front: Array, reference: Array) -> float:
    if front.shape[1] == 1:
        return float(reference[0] - front[:, 0].min())
    if front.shape[1] == 2:
        front = front[np.argsort(front[:, 0])]
        heights = np.concatenate([[reference[1]], front[:-1, 1]]) - front[:, 1]
        return float(((reference[0] - front[:, 0]) * heights).sum())
    front = front[np.argsort(front[:, -1])]
    edges = np.append(front[:, -1], reference[-1])
    total = 0.0
    for i in range(len(front)):
        depth = edges[i + 1] - edges[i]
        if depth > 0:
            layer = front[: i + 1, :-1]
            total += depth * _volume(layer[non_dominated(layer)], reference[:-1])
    return float(total)


def curve(values: Array, reference: Array) -> Array:
    """Hypervolume after each row, [rows]; recomputed only where a row enters the frontier."""
    out = np.zeros(len(values))
    front = np.empty((0, values.shape[1]))
    now = 0.0
    for i, row in enumerate(values):
        new = np.isfinite(row).all() and bool((row < reference).all())
        if new and not np.any((front <= row).all(axis=1)):
            front = np.vstack([front[~(row <= front).all(axis=1)], row])
            now = _volume(front, reference)
        out[i] = now
    return out


def corner_of(values: Array) -> Array:
    """A reference point from the data: the worst finite value of each objective and a tenth of the range beyond.

    >>> corner_of(np.array([[0.0, 10.0], [10.0, 0.0]]))
    array([11., 11.])
    """
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    return np.asarray(high + 0.1 * np.maximum(high - low, 1e-9))


def knee(front: Array) -> int:
    """Row of a frontier farthest below the line (plane) through its extreme points, objectives scaled to [0, 1].

    The usual reading of "where one more unit of one objective starts to cost much of another" (Das 1999); for
    frontiers that bulge the other way it is an extreme point.

    >>> knee(np.array([[0.0, 1.0], [0.1, 0.1], [1.0, 0.0]]))
    1
    """
    low, span = front.min(axis=0), np.ptp(front, axis=0)
    return int(np.argmin(((front - low) / np.where(span > 0, span, 1.0)).sum(axis=1)))


def regret(values: Array, best: float) -> Array:
    """Best value of one objective so far minus the best possible, after each row of `values` [rows]."""
    filled = np.where(np.isfinite(values), values, np.inf)
    return np.minimum.accumulate(filled) - best
