"""The compiled walk through a forest, behind a gate (`simcore.cost.gate`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from simcore.cost.jit import gate_address, njit, pointer


@njit(cache=True, nogil=True)
def walk(features: Any, feature: Any, value: Any, right: Any, roots: Any, total: Any) -> None:
    """[rows, features] -> `total` [rows]: sum of the leaf values reached."""
    for row in range(features.shape[0]):
        found = 0.0
        for tree in range(roots.size):
            node = roots[tree]
            while feature[node] >= 0:
                if features[row, feature[node]] <= value[node]:
                    node += 1
                else:
                    node = right[node]
            found += value[node]
        total[row] = found


def walk_gate(a: Any) -> None:
    """`walk`: features, how many a row has, feature, value, right, roots, total."""
    walk(
        carray(pointer(a[0]), (a[12], a[2]), np.float32),
        carray(pointer(a[3]), a[4], np.int8),
        carray(pointer(a[5]), a[6], np.float32),
        carray(pointer(a[7]), a[8], np.int32),
        carray(pointer(a[9]), a[10], np.int32),
        carray(pointer(a[11]), a[12], np.float64),
    )
    a[13] = 1


def address(name: str) -> int:
    """The C function of a gate."""
    return gate_address(globals()[name], say=False)
