"""Which shapes are held out: a fifth, by a hash of the shape alone, so that no time and no order can choose."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

HELD_OUT = 5
"""one shape in five"""
TWINS = frozenset({"element_bytes"})
"""columns that do not make another shape: the same message in another format stays on the same side of the split"""


def shape_hash(shapes: Mapping[str, NDArray[np.float64]]) -> NDArray[np.uint64]:
    """A well mixed 64-bit number per row `[rows]` from all shape columns, in sorted order of their names."""
    rows = len(next(iter(shapes.values())))
    state = np.full(rows, 0x9E3779B97F4A7C15, np.uint64)
    for name in sorted(set(shapes) - TWINS):
        word = np.asarray(shapes[name], np.float64).view(np.uint64)
        state = (state ^ word) * np.uint64(0xBF58476D1CE4E5B9)
        state ^= state >> np.uint64(29)
        state *= np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(32)
    return state


def held_out(shapes: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """True `[rows]` for the fifth of shapes that no fit may see.

    >>> mask = held_out({"m": np.arange(1.0, 1001.0)})
    >>> bool(150 < mask.sum() < 250)
    True
    """
    return np.asarray(shape_hash(shapes) % np.uint64(HELD_OUT) == 0)
