"""How a kernel deals its tiles to the units: waves, split and stream over the cache, pages, occupancy.

The laws of `simcore.cost.laws` describe the kernels that servers run, and choose their tiles as libraries do. Here the
schedule is given: what would this kernel take if it were dealt another way? A unit works on one tile at a time,

    tile = max(bytes / unit bandwidth, padded FLOP / (unit peak x compute_ratio))
    time = max(all bytes / (memory bandwidth x memory_ratio), tiles of the busiest unit x tile) + joins

Sources: FlashAttention-2 (Dao, 2023) for tiles, Flash-Decoding for splits, Stream-K (Osama et al., 2023) and Lean
Attention (2024) for streams. Wrong where several small blocks share a unit and hide each other's latency.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

from simcore.cost.facts import ChipFacts

JOIN_S = 2e-6
"""adding up partial results: one more pass of a few tiles"""
MOST_THREADS, MOST_BLOCKS = 1536, 24
"""resident on a unit of Ada and consumer Ampere (CUDA programming guide, compute capability 8.6 and 8.9)"""
FULL_OCCUPANCY = 0.5
"""of the threads, what hides the latency of arithmetic"""


@dataclass(frozen=True)
class DecodeSchedule:
    """How decode attention is dealt."""

    deal: Literal["none", "fixed", "stream"] = "none"
    """none: a unit walks over all keys of a head; fixed: equal splits of every head; stream: tiles in one line, cut
    into equal runs"""
    tile_tokens: int = 128
    """keys of a tile"""
    rows: int = 128
    """query rows that a tile computes, used or not"""
    shares_heads: bool = True
    """query heads of one KV head read its keys once; else each for itself, from L2"""
    page_tokens: int = 0
    """keys that lie together; 0: all. A tile of scattered pages is fetched in as many pieces"""
    page_flop: float = 32.0
    """operations on addresses for each page and query row of a warp"""
    compute_ratio: float = 0.6
    """of a unit's peak, what its tiles reach"""
    memory_ratio: float = 0.85
    """of the memory's bandwidth, what all units reach together"""


@dataclass(frozen=True)
class DecodeWork:
    """One query per sequence over its cache."""

    batch: int
    """sequences"""
    heads: int
    """of the query"""
    kv_heads: int
    """of key and value"""
    head_dim: int
    """elements of one head"""
    context_tokens: int
    """of each sequence"""
    kv_bytes: float = 2.0
    """of one element in the cache"""


@dataclass(frozen=True)
class Dealt:
    """What a schedule takes."""

    time_s: float
    memory_s: float
    """all bytes at the memory's rate"""
    busiest_s: float
    """tiles of the busiest unit"""
    fill_ratio: float
    """mean over busiest: 1 where every unit has as much to do"""


def decode(work: DecodeWork, schedule: DecodeSchedule, chip: ChipFacts) -> Dealt:
    """Seconds of decode attention under a schedule."""
    readers = work.kv_heads if schedule.shares_heads else work.heads
    lines, tiles = work.batch * readers, ceil(work.context_tokens / schedule.tile_tokens)
    tile_s = decode_tile_s(work, schedule, chip)
    busiest, joins = busiest_tiles(lines, tiles, int(chip.sm_count), schedule.deal)
    moved = 2.0 * work.batch * work.kv_heads * work.context_tokens * work.head_dim * work.kv_bytes
    memory_s = moved / (chip.memory_bytes_per_s * schedule.memory_ratio)
    if not schedule.shares_heads:
        near = max(chip.l2_bytes_per_s, chip.memory_bytes_per_s)
        memory_s = max(memory_s, moved * work.heads / work.kv_heads / near)
    mean = lines * tiles / chip.sm_count
    time_s = max(memory_s, busiest * tile_s) + JOIN_S * joins
    return Dealt(time_s, memory_s, busiest * tile_s, min(mean / busiest, 1.0))


def decode_tile_s(work: DecodeWork, schedule: DecodeSchedule, chip: ChipFacts) -> float:
    """Seconds that one unit needs for a tile of keys and values of one head."""
    moved = 2.0 * schedule.tile_tokens * work.head_dim * work.kv_bytes
    flop = 4.0 * schedule.tile_tokens * work.head_dim * schedule.rows
    per_unit = chip.peak("bf16") / chip.sm_count * schedule.compute_ratio
    pages = schedule.tile_tokens / schedule.page_tokens if schedule.page_tokens else 0.0
    lanes_per_s = 128.0 * chip.clock_hz
    return max(moved / chip.sm_bytes_per_s, flop / per_unit) + pages * schedule.page_flop * schedule.rows / lanes_per_s


def busiest_tiles(lines: int, tiles: int, units: int, deal: str) -> tuple[int, int]:
    """(tiles of the busiest unit, joins of partial results).

    >>> busiest_tiles(12, 100, 108, "none"), busiest_tiles(12, 108, 108, "fixed"), busiest_tiles(12, 100, 108, "stream")
    ((100, 0), (12, 1), (12, 1))
    >>> busiest_tiles(108, 100, 108, "none"), busiest_tiles(108, 100, 108, "stream")
    ((100, 0), (100, 0))
    """
    if deal == "none":
        return ceil(lines / units) * tiles, 0
    if deal == "fixed":
        ways = ((ceil(lines * split / units) * ceil(tiles / split), int(split > 1)) for split in range(1, tiles + 1))
        return min(ways)
    run = ceil(lines * tiles / units)
    return run, int(run % tiles != 0)


@dataclass(frozen=True)
class TiledProduct:
    """A square product by blocks of tile x tile threads that keep their operands in shared memory."""

    size: int
    """rows and columns of all three matrices"""
    tile: int
    """rows and columns of a block of threads"""
    element_bytes: float = 4.0
    """of one element"""


def tiled_product(work: TiledProduct, lane_flop_per_s: float, chip: ChipFacts) -> Dealt:
    """Seconds of a product on vector lanes: operands are read size / tile times, few threads hide little latency."""
    threads = work.tile**2
    resident = min(MOST_BLOCKS, max(MOST_THREADS // threads, 1)) * threads
    occupancy = min(resident / MOST_THREADS / FULL_OCCUPANCY, 1.0) * threads / (32 * ceil(threads / 32))
    blocks = ceil(work.size / work.tile) ** 2
    slots = chip.sm_count * resident / threads
    waves = ceil(blocks / slots) / (blocks / slots)
    compute_s = 2.0 * work.size**3 / (lane_flop_per_s * occupancy) * waves
    reads = 2.0 * work.size**3 / work.tile * work.element_bytes
    memory_s = reads / max(chip.l2_bytes_per_s, chip.memory_bytes_per_s)
    return Dealt(max(compute_s, memory_s), memory_s, compute_s, occupancy)
