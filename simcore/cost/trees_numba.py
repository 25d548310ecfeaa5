"""The compiled walk through a forest; imported only for bulk work."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def walk(features: Any, feature: Any, value: Any, right: Any, roots: Any) -> Any:
    """[rows, features] -> [rows] sum of the leaf values reached."""
    total = np.zeros(features.shape[0])
    for row in range(features.shape[0]):
        own, reached = features[row], 0.0
        for tree in range(roots.shape[0]):
            node = roots[tree]
            split = feature[node]
            while split >= 0:
                # a sum instead of a branch: the side is as good as random, and a wrong guess costs more than a product
                node += 1 + (right[node] - node - 1) * (own[split] > value[node])
                split = feature[node]
            reached += value[node]
        total[row] = reached
    return total
