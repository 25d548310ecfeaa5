"""The compiled walk through a forest; imported only for bulk work."""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.cost.jit import njit


@njit(cache=True, nogil=True)
def walk(features: Any, feature: Any, value: Any, right: Any, roots: Any) -> Any:
    """[rows, features] -> [rows] sum of the leaf values reached."""
    total = np.zeros(features.shape[0])
    for row in range(features.shape[0]):
        for tree in range(roots.shape[0]):
            node = roots[tree]
            while feature[node] >= 0:
                if features[row, feature[node]] <= value[node]:
                    node += 1
                else:
                    node = right[node]
            total[row] += value[node]
    return total
