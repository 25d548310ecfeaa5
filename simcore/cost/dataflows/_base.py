"""What dataflows share: an array of H x W cells, a product cut into folds, cycles of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Side = Literal["m", "n", "k"]


@dataclass(frozen=True)
class Gemm:
    """Products [m, k] x [k, n]; numbers or arrays of one shape."""

    m: ArrayLike
    n: ArrayLike
    k: ArrayLike

    @property
    def macs(self) -> Floats:
        """Multiply-accumulates."""
        return self.side("m") * self.side("n") * self.side("k")

    def side(self, name: Side) -> Floats:
        """One dimension as floats."""
        return np.asarray(getattr(self, name), float)


@dataclass(frozen=True)
class Dataflow:
    """The dimension along the rows of the array, along its columns, and the one that streams through."""

    rows: Side
    columns: Side
    streamed: Side
    fold_cycles: Callable[[Floats, Floats, Floats], Floats]
    """(height, width, length of the stream) -> cycles of one fold, filled, streamed and drained"""
    loads: bool
    """an operand is put into the cells before the stream, in as many cycles as there are rows"""

    def folds(self, gemm: Gemm, height: ArrayLike, width: ArrayLike) -> Floats:
        """ceil(rows / H) ceil(columns / W)."""
        tall = np.ceil(gemm.side(self.rows) / np.asarray(height, float))
        return np.asarray(tall * np.ceil(gemm.side(self.columns) / np.asarray(width, float)))

    def cycles(self, gemm: Gemm, height: ArrayLike, width: ArrayLike) -> Floats:
        """Cycles of a product on an array that drains between folds, memory never in the way: folds x fold - 1.

        The last cycle is counted from zero, as SCALE-Sim v3 does (Raj et al. 2025, `systolic_compute_*.py`: a fold
        with fewer rows or columns than the array takes as long as a full one). Wrong for arrays that overlap folds:
        `warm_cycles`.
        """
        high, wide = np.asarray(height, float), np.asarray(width, float)
        return self.folds(gemm, high, wide) * self.fold_cycles(high, wide, gemm.side(self.streamed)) - 1.0

    def warm_cycles(self, gemm: Gemm, height: ArrayLike, width: ArrayLike, arrays: ArrayLike = 1.0) -> Floats:
        """Cycles where the next fold's operand is loaded behind the stream of this one (double buffers in the cells):
        folds x max(stream, H if an operand is loaded), and the fill and drain of one fold; equal `arrays` share the
        folds."""
        high, wide = np.asarray(height, float), np.asarray(width, float)
        stream = gemm.side(self.streamed)
        each = np.maximum(stream, high) if self.loads else stream
        folds = np.ceil(self.folds(gemm, high, wide) / np.asarray(arrays, float))
        return np.asarray((folds - 1.0) * each + self.fold_cycles(high, wide, stream) - 1.0)

    def utilisation_ratio(self, gemm: Gemm, height: ArrayLike, width: ArrayLike) -> Floats:
        """Multiply-accumulates over cells x cycles, the first one counted."""
        cells = np.asarray(height, float) * np.asarray(width, float)
        return np.asarray(gemm.macs / (cells * (self.cycles(gemm, height, width) + 1.0)))


def loaded_fold_cycles(height: Floats, width: Floats, stream: Floats) -> Floats:
    """An operand goes down H rows, the stream follows skewed over H rows and W columns, sums leave below:
    2 H + W + stream - 2."""
    return np.asarray(2.0 * height + width + stream - 2.0)
