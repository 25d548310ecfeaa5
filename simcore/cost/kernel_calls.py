"""One kernel called and waited for, as a script clocks it: the host's part is inside.

    matmul      launch + max(c, b) + s min(c, b)      c: waves of the best tile over the sustained peak, b: bytes over
                                                      the sustained bandwidth, s: share that does not overlap
    row by row  max(floor, launch + b stretch(n) + m row)     softmax, layer normalisation; GELU is one row, stretch 1

`floor` is the host's way round, behind which a short kernel hides; `launch` what it adds to a long one. From 1,024
elements on, a row is shared by several warps and read more than once, stretch = 1 + w log2(n / 1024) (PyTorch keeps
softmax rows of at most 1,024 elements in registers, `softmax_warp_forward`). All numbers are fitted per chip and kind:
they hold for one framework on one host. Wrong for kernels whose library changes its algorithm between measured shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.cost.facts import ChipFacts

Floats = NDArray[np.float64]
TILES = ((64, 64), (128, 64), (64, 128), (128, 128), (256, 128), (128, 256))
ELEMENT_BYTES = 2.0
"""fp16 or bf16"""
WHOLE_ROW = 1024.0
"""elements that stay in registers"""


@dataclass(frozen=True)
class Call:
    """One kind of kernel."""

    parameters: tuple[str, ...]
    """names of the fitted numbers, all positive"""
    start: tuple[float, ...]
    """where a fit starts"""
    time_s: Callable[[ChipFacts, Floats, Floats], Floats]
    """(chip, [rows, 3] m n k, parameters) -> [rows] seconds"""
    has_k: bool = False


def matmul_s(chip: ChipFacts, shapes: Floats, p: Floats) -> Floats:
    """[m, k] x [k, n]."""
    launch_s, compute, memory, serial = p
    m, n, k = shapes.T
    tiles = (np.ceil(np.ceil(m / a) * np.ceil(n / b) / chip.sm_count) * (a * b) for a, b in TILES)
    compute_s = 2.0 * chip.sm_count * np.minimum.reduce(list(tiles)) * k / (chip.peak("bf16") * compute)
    memory_s = ELEMENT_BYTES * (m * n + n * k + m * k) / (chip.memory_bytes_per_s * memory)
    alone = serial / (1.0 + serial)
    return np.asarray(launch_s + np.maximum(compute_s, memory_s) + alone * np.minimum(compute_s, memory_s))


def elements_s(chip: ChipFacts, shapes: Floats, p: Floats) -> Floats:
    """Every element read and written once."""
    floor_s, launch_s, memory = p
    moved = 2.0 * ELEMENT_BYTES * shapes[:, 0] * shapes[:, 1]
    return np.asarray(np.maximum(floor_s, launch_s + moved / (chip.memory_bytes_per_s * memory)))


def rows_s(chip: ChipFacts, shapes: Floats, p: Floats) -> Floats:
    """m rows of n elements, each row reduced before it is written."""
    floor_s, launch_s, memory, row_s, slope = p
    m, n = shapes[:, 0], shapes[:, 1]
    stretch = 1.0 + slope * np.maximum(np.log2(n / WHOLE_ROW), 0.0)
    moved_s = 2.0 * ELEMENT_BYTES * m * n * stretch / (chip.memory_bytes_per_s * memory)
    return np.asarray(np.maximum(floor_s, launch_s + moved_s + m * row_s))


_ROWS = ("floor_s", "launch_s", "memory_ratio", "row_s", "stretch_slope")
CALLS: Mapping[str, Call] = {
    "matmul": Call(
        ("launch_s", "compute_ratio", "memory_ratio", "serial_odds"), (3e-5, 0.8, 0.7, 0.3), matmul_s, has_k=True
    ),
    "softmax": Call(_ROWS, (1.5e-5, 1.4e-5, 0.5, 3e-10, 0.1), rows_s),
    "layernorm": Call(_ROWS, (5e-5, 4e-5, 0.6, 1e-9, 0.1), rows_s),
    "gelu": Call(("floor_s", "launch_s", "memory_ratio"), (4e-5, 3e-5, 0.7), elements_s),
}
