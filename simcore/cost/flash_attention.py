"""What FlashAttention-2 does to steps of decodes of uneven lengths, and of decodes beside a chunk, on `StepTimes`.

Two effects that operator tables (equal lengths, one kind of work) do not hold. Both are derived from seven per-layer
vLLM 0.19 profiles (Llama-3.1-8B, Qwen3-32B, Qwen3-30B-A3B on RTX PRO 6000, tp 1 and 2; Llama-3.1-8B on RTX 4090); no
serving run enters. They hold where vLLM uses FlashAttention-2: GPUs older than Hopper, and consumer Blackwell.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simcore.cost.step_times import Axis, StepTimes, Table

ARCHITECTURES = ("ampere", "ada", "blackwell-gb202")
UNPACKED_SHARE = 0.34
"""median over the profiles of (decode attention beside a chunk / alone) / (query heads per KV head), batches of 16 to
128, 256 to 4096 KV tokens, chunks from 128 tokens, 260 ratios; RTX PRO 6000 0.32 to 0.36, RTX 4090 0.50"""
BATCHES = (2.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
PLACES = (0.08, 0.27, 0.5, 0.85)
ALPHA = (
    (0.23, 0.23, 0.23, 0.23),
    (0.053, 0.011, 0.004, 0.185),
    (0.039, 0.015, 0.003, 0.091),
    (0.005, 0.009, 0.003, 0.065),
    (0.053, 0.046, 0.021, 0.082),
    (0.040, 0.028, 0.016, 0.107),
    (0.016, 0.008, 0.009, 0.115),
)
"""medians over the profiles by batch and place of the mean KV between the shortest and the longest: the share of the
way from the time at the mean to that at the longest; single profiles differ by 0.05"""


def flash_attention_2(times: StepTimes, queries_per_kv: float) -> StepTimes:
    """`times` of equal lengths and separate kernels with both effects.

    A decode beside a chunk runs by the kernel for chunks, which serves every query head by itself: the query heads of
    a KV head read it again, mostly from the L2 cache. Its time is that of a decode alone times
    max(1, 0.34 queries_per_kv). Wrong for batches under 16, which hide beside the chunk, and where the KV of a step
    overflows the L2 cache (128 sequences of 2,000 tokens and more: up to twice as long).
    """
    alone = times.decode_pure
    ratio = max(1.0, UNPACKED_SHARE * queries_per_kv)
    return replace(times, decode_mixed=Table(alone.x, alone.values * ratio, alone.y), uneven_pure=alpha())


def alpha() -> Table:
    """`ALPHA` on a lattice, constant beyond its edges."""
    batch, place = Axis(256.0, linear_count=32), Axis(1.0, unit=1 / 16, linear_count=16)
    rows = np.array([np.interp(place.knots(), PLACES, row) for row in ALPHA])
    grid = [np.interp(batch.knots(), BATCHES, column) for column in rows.T]
    return Table(batch, np.stack(grid, axis=1), place)
