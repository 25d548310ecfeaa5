"""Processing in memory: a compute unit inside a memory tier, with its own bandwidth and a cost per tile.

Bank-level GEMV: one tile is one row in every bank of a channel. Reading `bytes` of KV takes

    ceil(bytes / (channels x tile_bytes)) tile_s + operand loads

(command timing of a tile as in NeuPIMs, ASPLOS 2024: activation windows, column reads, result read-out). Wrong when
requests fill the channels unevenly: the slowest channel then rules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.ops.op import Column, Op
from simcore.spec.hardware import Chip, ComputeUnit

OPERAND_BYTES = 1024.0
"""vector bytes that one operand load brings to a channel's buffer"""


@dataclass(frozen=True)
class Pim:
    """A PIM unit as numbers, per chip."""

    bytes_per_s: float
    flop_per_s: float
    operand_s_per_byte: float
    concurrent: bool


def pim_of(chip: Chip) -> Pim | None:
    """The chip's PIM (or logic-die) unit on the main tier; None if it has none."""
    for unit in chip.compute.values():
        if unit.kind in ("pim", "logic") and unit.reads == chip.main_tier:
            return Pim(
                effective_bytes_per_s(unit, chip.memory[unit.reads].read_bytes_per_s),
                max(unit.peak_flop_per_s.values()),
                unit.operand_load_s / OPERAND_BYTES / (unit.channels or 1),
                unit.concurrent_with_host,
            )
    return None


def effective_bytes_per_s(unit: ComputeUnit, external_bytes_per_s: float) -> float:
    """channels x tile_bytes / tile_s where a tile cost is given, else the internal bandwidth, else the tier's.

    NeuPIMs: 32 channels x 32 KiB / 184 ns = 5.70 TB/s.
    """
    if unit.tile_s and unit.tile_bytes:
        return (unit.channels or 1) * unit.tile_bytes / unit.tile_s
    return unit.internal_bytes_per_s or external_bytes_per_s


def attention_s(op: Op, pim: Pim) -> Column:
    """Decode attention on the PIM unit: its roofline plus loading the operand vectors. Shapes [plans]."""
    return (
        np.maximum(op.flop / pim.flop_per_s, op.stream_bytes / pim.bytes_per_s)
        + op.cache_bytes * pim.operand_s_per_byte
    )


def prefers_pim(op: Op, pim: Pim, host_bytes_per_s: Column) -> NDArray[np.bool_]:
    """Dispatch by operations per byte: below pim peak / host bandwidth the PIM unit wins (Duplex, MICRO 2024).

    The host is bandwidth-bound there at flop / intensity / host bandwidth; the unit is never slower than its peak.
    """
    intensity = op.flop / np.maximum(op.stream_bytes, 1.0)
    return np.asarray(intensity < pim.flop_per_s / host_bytes_per_s)
