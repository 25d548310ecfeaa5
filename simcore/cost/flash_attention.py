"""What FlashAttention-2 does to steps of decodes of uneven lengths, and of decodes beside a chunk, on `StepTimes`.

Two effects that operator tables (equal lengths, one kind of work) do not hold. Both are derived from seven per-layer
vLLM 0.19 profiles (Llama-3.1-8B, Qwen3-32B, Qwen3-30B-A3B on RTX PRO 6000, tp 1 and 2; Llama-3.1-8B on RTX 4090); no
serving run enters. They hold where vLLM uses FlashAttention-2: GPUs older than Hopper, and consumer Blackwell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simcore.cost.step_times import Axis, Floats, StepTimes, Table

ARCHITECTURES = ("ampere", "ada", "blackwell-gb202")
WAVE_PLACES = (16 / 188, 32 / 188, 64 / 188, 128 / 188)
WAVE_SHARES = (0.331, 0.314, 0.336, 0.390)
"""median of (decode attention beside a chunk / alone) / (query heads per KV head) by sequences per multiprocessor,
where one KV head of all sequences fits the L2 cache: 100 ratios of four profiles (Qwen3-32B, Qwen3-30B-A3B, tp 1 and 2)
on the RTX PRO 6000, chunks from 128 tokens, quartiles within 0.02. Not used: Llama-3.1-8B, 0.34 to 0.48 there, on the
RTX 4090 0.46 to 0.66"""
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


@dataclass(frozen=True)
class Kernel:
    """What the kernel for chunks makes of decodes depends on."""

    queries_per_kv: float
    """query heads per KV head"""
    multiprocessors: float
    cached_tokens: float
    """tokens of one KV head, keys and values, that the L2 cache holds"""


def flash_attention_2(times: StepTimes, kernel: Kernel) -> StepTimes:
    """`times` of equal lengths and separate kernels with both effects.

    A decode beside a chunk runs by the kernel for chunks, which serves every query head by itself, head after head over
    all sequences: the query heads of a KV head read it again. Where one KV head of all sequences fits the L2 cache,
    they read it from there, which takes `WAVE_SHARES` of a reading from memory. What does not fit is read from memory
    by each wave of heads, h = multiprocessors / sequences of which run at once:

        beside = alone x max(1, q (s + max(0, 1 / min(h, q) - s) max(0, 1 - cache / (sequences x tokens))))

    The second part has no fitted number; the Qwen profiles put the cache at 1.05 (median of 32, quartiles 0.95 and
    1.20) of its size. Wrong for batches under 16, which hide beside the chunk; on the RTX 4090 too small by a third.
    """
    alone = times.decode_pure
    assert alone.y is not None
    batch, tokens = np.maximum(alone.x.knots(), 1.0)[:, None], np.maximum(alone.y.knots(), 1.0)[None, :]
    ratio = unpacked_ratio(kernel, batch, tokens)
    return replace(times, decode_mixed=Table(alone.x, alone.values * ratio, alone.y), uneven_pure=alpha())


def unpacked_ratio(kernel: Kernel, batch: Floats, tokens: Floats) -> Floats:
    """Time of decodes beside a chunk over alone, broadcast over sequences and KV tokens of each."""
    share = np.interp(batch / kernel.multiprocessors, WAVE_PLACES, WAVE_SHARES)
    heads = np.clip(np.floor(kernel.multiprocessors / batch), 1.0, kernel.queries_per_kv)
    beyond = np.maximum(0.0, 1.0 - kernel.cached_tokens / (batch * tokens))
    return np.asarray(np.maximum(1.0, kernel.queries_per_kv * (share + np.maximum(0.0, 1.0 / heads - share) * beyond)))


def alpha() -> Table:
    """`ALPHA` on a lattice, constant beyond its edges."""
    batch, place = Axis(256.0, linear_count=32), Axis(1.0, unit=1 / 16, linear_count=16)
    rows = np.array([np.interp(place.knots(), PLACES, row) for row in ALPHA])
    grid = [np.interp(batch.knots(), BATCHES, column) for column in rows.T]
    return Table(batch, np.stack(grid, axis=1), place)
