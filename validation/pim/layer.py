"""One transformer layer on an NPU, alone or with PIM, from the chip's spec: matrices, attention, stages.

Matrices b x k x n on `count` weight-stationary arrays of H x W, 2 bytes an element:

    max(2 (k n + b k + b n) / (bandwidth rho), folds max(b, H) / count) + (H + W - 2) + the last tile's multiplication
    rho = 1 - tRFC / tREFI                      the last tile: halve the largest side until the operands fit the pad

Beside them the vector cores, `count` of them w lanes wide, normalise twice (three passes over a row, two sums down a
tree), and go once over the residuals and the activation. Attention on PIM: the fullest channel (`simcore.cost.pim`).
On the NPU alone, as the public simulator does it, one GEMV after the other, summed over requests:

    heads ((H + W - 1 + L / 8) + ceil((L + 127) / 128) (H + W - 1 + d / 8))

Stages with two half batches: SUB_BATCH max(matrices, PIM); the factor is fitted on four stages that are in none of the
layers compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simcore.cost.dataflows import dataflow
from simcore.cost.dataflows._base import Gemm
from simcore.cost.pim import Blocks, channel_s, pim_of
from simcore.spec.hardware import Chip, PimTiming

ELEMENT_BYTES = 2.0
PAD_BYTES = 512 * 1024.0
"""half of the scratchpad, the other half fills meanwhile (NeuPIMs simulator, `spad_size` 1024 KB)"""
SUB_BATCH = 1.17
"""fitted: stages C and D of the two runs with sub-batches"""


@dataclass(frozen=True)
class Shard:
    """Sides of one tensor-parallel shard of a layer."""

    hidden: int
    """E"""
    heads: int
    head_dim: int
    feed_forward: int

    @property
    def qkv(self) -> tuple[int, int]:
        return self.hidden, 3 * self.heads * self.head_dim

    @property
    def rest(self) -> tuple[tuple[int, int], ...]:
        """Projection and the two matrices of the feed-forward block."""
        return (
            (self.heads * self.head_dim, self.hidden),
            (self.hidden, self.feed_forward),
            (self.feed_forward, self.hidden),
        )


def timing_of(chip: Chip) -> PimTiming:
    """Of the chip's PIM unit."""
    timing = chip.compute["pim"].timing
    assert timing is not None, chip.name
    return timing


def memory_bytes_per_s(chip: Chip) -> float:
    """Bandwidth for the host, refresh taken off."""
    timing = timing_of(chip)
    rate = chip.memory[chip.main_tier].read_bytes_per_s
    return rate * (1.0 - timing.refresh_s / timing.refresh_interval_s)


def matrix_s(chip: Chip, batch: int, side: tuple[int, int]) -> float:
    """Seconds of one product [batch, k] x [k, n]."""
    unit = chip.compute[chip.main_unit]
    k, n = side
    height, width, arrays = unit.array_rows or 1, unit.array_columns or 1, unit.count or 1
    clock_hz = unit.clock_hz or 1e9
    moved = ELEMENT_BYTES * (k * n + batch * k + batch * n)
    folds = float(dataflow("weight").folds(Gemm(batch, n, k), height, width))
    compute_s = folds * max(batch, height) / arrays / clock_hz
    fill_s = (height + width - 2) / clock_hz
    return max(moved / memory_bytes_per_s(chip), compute_s) + fill_s + _last_tile_s(chip, batch, side)


def _last_tile_s(chip: Chip, batch: int, side: tuple[int, int]) -> float:
    """What is multiplied when the last operands have come."""
    unit = chip.compute[chip.main_unit]
    m, k, n = batch, *side
    while ELEMENT_BYTES * (m * k + k * n + m * n) > PAD_BYTES:
        sides = [m, k, n]
        at = int(np.argmax(sides))
        sides[at] = -(-sides[at] // 2)
        m, k, n = sides
    height, width = unit.array_rows or 1, unit.array_columns or 1
    folds = float(dataflow("weight").folds(Gemm(m, n, k), height, width))
    return folds * max(m, height) / (unit.count or 1) / (unit.clock_hz or 1e9)


def vectors_s(chip: Chip, batch: int, shard: Shard) -> float:
    """Two normalisations, two residuals, one activation on the vector cores."""
    unit = next(one for one in chip.compute.values() if one.kind == "vector")
    lanes, cores = unit.flop_per_clock["fp16"], unit.count or 1
    row_cycles = 3.0 * np.ceil(shard.hidden / lanes) + 2.0 * np.log2(lanes)
    elements = batch * (2.0 * shard.hidden + shard.feed_forward)
    cycles = 2.0 * np.ceil(batch / cores) * row_cycles + elements / (lanes * cores)
    return float(cycles / (unit.clock_hz or 1e9))


def linear_s(chip: Chip, batch: int, shard: Shard) -> float:
    """All of a layer but its attention: matrices, vectors, and 6 b E bytes of residuals."""
    residual_s = 6.0 * batch * shard.hidden / memory_bytes_per_s(chip)
    matrices_s = sum(matrix_s(chip, batch, side) for side in (shard.qkv, *shard.rest))
    return matrices_s + residual_s + vectors_s(chip, batch, shard)


def pim_attention_s(chip: Chip, shard: Shard, channel: Blocks, row_buffers: int) -> float:
    """Attention of a batch on PIM, by the blocks of its fullest channel."""
    unit = chip.compute["pim"]
    changed = unit.replace(timing=timing_of(chip).replace(row_buffers=row_buffers))
    found = pim_of(chip.replace(compute={**chip.compute, "pim": changed}))
    assert found is not None
    return float(channel_s(found, shard.heads, shard.head_dim, channel, found.row_bytes / ELEMENT_BYTES))


def npu_attention_s(chip: Chip, chain_cycles: float) -> float:
    """Attention of a batch on the NPU's arrays, one GEMV after the other."""
    return chain_cycles / (chip.compute[chip.main_unit].clock_hz or 1e9)


def bandwidth_attention_s(chip: Chip, shard: Shard, tokens: float) -> float:
    """Attention of a batch on an NPU that only its bandwidth bounds."""
    return 2.0 * ELEMENT_BYTES * shard.heads * shard.head_dim * tokens / memory_bytes_per_s(chip)
