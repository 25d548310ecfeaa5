"""Decode attention whose KV is not in the L2 cache when its layer's turn comes.

An operator benchmark repeats one call, so that a KV smaller than the L2 cache is read from there after the first time.
In a model every layer has KV of its own and weights pass in between: each step reads all of it from memory. Where the
measured table lies beyond the cache, time is a line in the KV tokens, t = a + b tokens. Below, the cold call takes no
more than that line, and no more than the warm one plus what reading b tokens from memory takes longer than from cache.

And a call on more KV than the cache holds still finds part of what the call before left there (`KEPT_SHARE`, the one
number that is fitted). Against the per-layer profiles of the RTX PRO 6000 (tp 1 and 2, 16 to 256 sequences of 128 to
4,096 tokens), whose caches are cold by construction, the bias of large calls goes from -5 to -14 % to within 3 %;
calls of few tiles on short contexts, which do not reach the memory's bandwidth, stay 10 to 25 % too slow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simcore.step.times import Floats, StepTimes, Table

KEPT_SHARE = 0.4
"""of the cache that still holds KV of the call before when the KV is larger than the cache: replacement is not strictly
by age. 0.2 to 0.6 over 64 to 256 sequences of 1,024 to 4,096 tokens of the two Qwen3 models, by what their profiles
take longer than the repeated call; less in proportion below two KV heads of a sequence per multiprocessor"""
BEYOND = 2.0
"""KV over the cache's size from which a repeated call reads memory; 2, because tables are measured at powers of two"""


@dataclass(frozen=True)
class Cache:
    """The L2 cache as decode attention of one layer sees it."""

    tokens: float
    """of one layer's KV, all KV heads of a chip, that it holds"""
    memory_ratio: float
    """bandwidth of the memory over the cache's"""
    full_batch: float = 1.0
    """sequences that make two KV heads per multiprocessor"""


def with_cold_cache(times: StepTimes, cache: Cache) -> StepTimes:
    """`times` with the KV of decode attention read from memory, alone and beside a chunk where both have one table."""
    table = times.decode_pure
    assert table.y is not None
    batch, tokens = table.x.knots(), table.y.knots()
    values = np.array([cold_s(n, tokens, row, cache) for n, row in zip(batch, table.values, strict=True)])
    pure = Table(table.x, values, table.y)
    mixed = pure if times.decode_mixed is table else times.decode_mixed
    return replace(times, decode_pure=pure, decode_mixed=mixed)


def cold_s(batch: float, tokens: Floats, row: Floats, cache: Cache) -> Floats:
    """Times `row` of one batch by KV tokens: below the cache's size the smaller of the continued line and the time
    measured plus what reading memory takes longer than reading the cache."""
    start = BEYOND * cache.tokens / max(batch, 1.0)
    if batch == 0 or 2.0 * start > tokens[-1]:
        return row
    first, second = np.interp([start, 2.0 * start], tokens, row)
    slope = (second - first) / start
    kept = KEPT_SHARE * min(1.0, batch / cache.full_batch) * cache.tokens
    kept_s = slope * kept / batch * (1.0 - cache.memory_ratio)
    line = first - slope * (start - tokens) + kept_s
    refetched = row + slope * tokens * (1.0 - cache.memory_ratio)
    return np.where(tokens < start, np.maximum(row, np.minimum(line, refetched)), row + kept_s)
