"""Processing in memory: a compute unit inside a memory tier, with its own bandwidth and a cost per tile.

Bank-level GEMV after NeuPIMs (ASPLOS 2024): the KV of one request lies in one channel; a tile is one row in every bank
of a channel and takes `tile_s`; before a run of tiles the vector operand is loaded (`operand_load_s`). With P elements
per row and bank, B banks per channel, W = KV heads x head_dim of the shard and context L, one request takes

    scores   ceil(W / P) (load + ceil(L / B) tile)
    values   heads ceil(L / P) (load + ceil(head_dim / B) tile)

and the fullest channel holds ceil(requests / channels) of them. A unit without tiles (a logic die) is a roofline on its
own bandwidth. Wrong when lengths differ much: then the slowest channel rules, and packing them is a scheduler's work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.ops.op import Column, Op
from simcore.spec.hardware import Chip, ComputeUnit


@dataclass(frozen=True)
class Pim:
    """A PIM unit as numbers, per chip."""

    bytes_per_s: float
    flop_per_s: float
    concurrent: bool
    channels: float = 1.0
    banks: float = 1.0
    """per channel"""
    row_bytes: float = 0.0
    """of one bank; 0: no tiles"""
    tile_s: float = 0.0
    load_s: float = 0.0


def pim_of(chip: Chip) -> Pim | None:
    """The chip's PIM (or logic-die) unit on the main tier; None if it has none."""
    for unit in chip.compute.values():
        if unit.kind in ("pim", "logic") and unit.reads == chip.main_tier:
            channels = float(unit.channels or 1)
            banks = max((unit.count or 1) / channels, 1.0)
            return Pim(
                effective_bytes_per_s(unit, chip.memory[unit.reads].read_bytes_per_s),
                max(unit.peak_flop_per_s.values()),
                unit.concurrent_with_host,
                channels,
                banks,
                (unit.tile_bytes or 0.0) / banks,
                unit.tile_s or 0.0,
                unit.operand_load_s,
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
    """Decode attention on the PIM unit; the slower of its roofline and, with tiles, the fullest channel. [plans]."""
    roof_s = np.maximum(op.flop / pim.flop_per_s, op.stream_bytes / pim.bytes_per_s)
    if pim.tile_s == 0.0 or "head_dim" not in op.shape:
        return np.asarray(roof_s)
    return np.asarray(np.maximum(roof_s, tiled_s(op, pim)))


def tiled_s(op: Op, pim: Pim) -> Column:
    """The module's two equations for requests spread evenly over the channels."""
    heads, head_dim, context, requests = (
        np.asarray(op.shape[name], float) for name in ("num_key_value_heads", "head_dim", "step", "batch_size")
    )
    element_bytes = op.stream_bytes / np.maximum(2.0 * requests * heads * head_dim * context, 1.0)
    row = pim.row_bytes / np.maximum(element_bytes, 1e-9)
    scores = np.ceil(heads * head_dim / row) * (pim.load_s + np.ceil(context / pim.banks) * pim.tile_s)
    values = heads * np.ceil(context / row) * (pim.load_s + np.ceil(head_dim / pim.banks) * pim.tile_s)
    return np.asarray(np.ceil(requests / pim.channels) * (scores + values))


def prefers_pim(op: Op, pim: Pim, host_bytes_per_s: Column) -> NDArray[np.bool_]:
    """Dispatch by operations per byte: below pim peak / host bandwidth the PIM unit wins (Duplex, MICRO 2024).

    The host is bandwidth-bound there at flop / intensity / host bandwidth; the unit is never slower than its peak.
    """
    intensity = op.flop / np.maximum(op.stream_bytes, 1.0)
    return np.asarray(intensity < pim.flop_per_s / host_bytes_per_s)
