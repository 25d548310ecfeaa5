"""Processing in memory: a compute unit inside a memory tier, with its own bandwidth and a cost per tile.

Bank-level GEMV after NeuPIMs (ASPLOS 2024): the KV of one request lies in one channel; a tile is one row in every bank
of a channel and takes `tile_s`, or what `simcore.cost.pim_timing` derives from the timing of the DRAM; before a run of
tiles the vector operand is loaded (`operand_load_s`). With P elements per row and bank, B banks per channel, W = KV
heads x head_dim of the shard and context L, one request takes

    scores   ceil(W / P) (load + ceil(L / B) tile)
    softmax  heads B ceil(L / B) elements written back to the channel, from which the next operands are loaded
    values   heads ceil(L / P) (load + ceil(head_dim / B) tile)

and the fullest channel rules: ceil(requests / channels) of equal requests, else `fullest_channel`. A unit without tiles
(a logic die) is a roofline on its own bandwidth. Wrong where keys and values of one request lie in several channels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcore.cost.pim_timing import tiles_of
from simcore.kept.lazy import dataclass
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
    """of keys"""
    value_tile_s: float = 0.0
    load_s: float = 0.0
    channel_bytes_per_s: float = np.inf
    """of one channel, for the host"""


@dataclass(frozen=True)
class Blocks:
    """What requests hold of one channel, each a number or [plans]."""

    requests: Column
    score_blocks: Column
    """sum over them of ceil(L / B)"""
    value_blocks: Column
    """sum over them of ceil(L / P)"""


def pim_of(chip: Chip) -> Pim | None:
    """The chip's PIM (or logic-die) unit on the main tier; None if it has none."""
    for unit in chip.compute.values():
        if unit.kind in ("pim", "logic") and unit.reads == chip.main_tier:
            return _pim(unit, chip.memory[unit.reads].read_bytes_per_s)
    return None


def _pim(unit: ComputeUnit, external_bytes_per_s: float) -> Pim:
    channels = float(unit.channels or 1)
    banks = max((unit.count or 1) / channels, 1.0)
    keys_s, values_s, load_s = tile_times_s(unit)
    return Pim(
        effective_bytes_per_s(unit, external_bytes_per_s),
        max(unit.peak_flop_per_s.values()),
        unit.concurrent_with_host,
        channels,
        banks,
        (unit.tile_bytes or 0.0) / banks,
        keys_s,
        values_s,
        load_s,
        external_bytes_per_s / channels,
    )


def tile_times_s(unit: ComputeUnit) -> tuple[float, float, float]:
    """(tile of keys, tile of values, load of an operand), refresh counted where the timing says it; 0 without tiles."""
    if unit.timing is None:
        return unit.tile_s or 0.0, unit.tile_s or 0.0, unit.operand_load_s
    tiles = tiles_of(unit, unit.timing)
    return tuple(value / tiles.available_ratio for value in (tiles.score_s, tiles.value_s, tiles.load_s))  # type: ignore[return-value]


def effective_bytes_per_s(unit: ComputeUnit, external_bytes_per_s: float) -> float:
    """channels x tile_bytes / mean tile where a tile cost is given, else the internal bandwidth, else the tier's."""
    keys_s, values_s, _ = tile_times_s(unit)
    if keys_s and unit.tile_bytes:
        return 2.0 * (unit.channels or 1) * unit.tile_bytes / (keys_s + values_s)
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
    elements = pim.row_bytes / np.maximum(element_bytes, 1e-9)
    return np.asarray(np.ceil(requests / pim.channels) * request_s(pim, heads, head_dim, context, elements))


def request_s(pim: Pim, heads: Column, head_dim: Column, context: Column, row_elements: Column) -> Column:
    """Seconds that the attention of one request holds its channel; all arguments alike in shape."""
    tokens = np.asarray(context, float)
    blocks = Blocks(1.0, np.ceil(tokens / pim.banks), np.ceil(tokens / row_elements))
    return channel_s(pim, heads, head_dim, blocks, row_elements)


def channel_s(pim: Pim, heads: Column, head_dim: Column, blocks: Blocks, row_elements: Column) -> Column:
    """Seconds that the attention of some requests holds their channel."""
    runs, rows = np.ceil(np.asarray(heads) * head_dim / row_elements), np.ceil(np.asarray(head_dim) / pim.banks)
    scores_s = runs * (blocks.requests * pim.load_s + blocks.score_blocks * pim.tile_s)
    values_s = np.asarray(heads) * blocks.value_blocks * (pim.load_s + rows * pim.value_tile_s)
    written_bytes = heads * blocks.score_blocks * pim.banks * (pim.row_bytes / row_elements)
    return np.asarray(scores_s + written_bytes / pim.channel_bytes_per_s + values_s)


def fullest_channel(requests_s: NDArray[np.float64], channels: int, balanced: bool = True) -> float:
    """Seconds of the channel with the most work.

    `balanced`: longest first, each to the emptiest channel (at most 4/3 of the best split, Graham 1969); else in turn.

    >>> fullest_channel(np.array([5.0, 4.0, 3.0, 3.0, 3.0]), 2), fullest_channel(np.array([5.0, 1.0, 5.0]), 2, False)
    (10.0, 10.0)
    """
    loads = np.zeros(channels)
    for at, each in enumerate(np.sort(requests_s)[::-1] if balanced else requests_s):
        loads[int(loads.argmin()) if balanced else at % channels] += each
    return float(loads.max())


def prefers_pim(op: Op, pim: Pim, host_bytes_per_s: Column) -> NDArray[np.bool_]:
    """Dispatch by operations per byte: below pim peak / host bandwidth the PIM unit wins (Duplex, MICRO 2024).

    The host is bandwidth-bound there at flop / intensity / host bandwidth; the unit is never slower than its peak.
    """
    intensity = op.flop / np.maximum(op.stream_bytes, 1.0)
    return np.asarray(intensity < pim.flop_per_s / host_bytes_per_s)
