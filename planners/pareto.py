"""Non-dominated rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HIGHER_IS_BETTER = ("throughput", "tokens_per_s", "requests_per_s", "mfu", "mbu", "goodput", "max_batch")


def sense(column: str) -> float:
    """-1 where more is better, else +1: multiply to minimise.

    >>> sense("ttft_s"), sense("throughput_per_chip_tokens_per_s")
    (1.0, -1.0)
    """
    return -1.0 if any(word in column for word in HIGHER_IS_BETTER) else 1.0


def non_dominated(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mask of rows of `values` [rows, objectives], all minimised, that no other row dominates.

    Equal rows are all kept but the first. Rows with NaN are never kept. Two objectives cost a sort; more cost
    O(rows x frontier).

    >>> non_dominated(np.array([[1.0, 4.0], [2.0, 2.0], [3.0, 3.0], [4.0, 1.0]]))
    array([ True,  True, False,  True])
    """
    keep = np.zeros(len(values), bool)
    usable = np.flatnonzero(np.isfinite(values).all(axis=1))
    if not len(usable):
        return keep
    order = usable[np.lexsort(values[usable].T[::-1])]
    keep[_sweep_two(values, order) if values.shape[1] == 2 else _sweep_many(values, order)] = True
    return keep


def _sweep_two(values: NDArray[np.float64], order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Sorted by the first objective, a row survives if its second is below everything before it."""
    second = values[order, 1]
    before = np.concatenate([[np.inf], np.minimum.accumulate(second)[:-1]])
    return np.asarray(order[second < before])


def _sweep_many(values: NDArray[np.float64], order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Lexicographic order: no later row can dominate an earlier one."""
    frontier = np.empty((0, values.shape[1]))
    kept = []
    for row in order:
        point = values[row]
        if not len(frontier) or not np.any(np.all(frontier <= point, axis=1)):
            frontier = np.vstack([frontier, point])
            kept.append(row)
    return np.array(kept, dtype=np.intp)
