"""Cold caches: KV that a benchmark had in its cache is read from memory in a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simcore.step.effects.cold_cache import KEPT_SHARE, Cache, cold_s, with_cold_cache
from simcore.step.times import Axis, Table
from tests.simcore.step.test_times import TIMES

TOKENS = np.array([0.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0])


def warm(batch: float, held: float) -> np.ndarray:
    """1 ms and 1 us per KV token, a quarter of it while the cache holds the batch."""
    return 1e-3 + 1e-6 * TOKENS * np.where(batch * TOKENS <= held, 0.25, 1.0)


def kept_s(cache: Cache) -> float:
    """What the warm row of 8 sequences still finds in the cache beyond its size."""
    return 1e-6 * KEPT_SHARE * min(1.0, 8.0 / cache.full_batch) * cache.tokens / 8.0 * (1.0 - cache.memory_ratio)


@pytest.mark.parametrize("full_batch", [1.0, 32.0])
def test_a_warm_table_becomes_the_line_of_memory(full_batch: float) -> None:
    """And what the call before left in the cache is read from memory too, less of it by few sequences."""
    cache = Cache(tokens=512.0 * 8, memory_ratio=0.25, full_batch=full_batch)
    found = cold_s(8.0, TOKENS, warm(8.0, 4096.0), cache)
    beyond = TOKENS >= 1024
    assert found[beyond] == pytest.approx((1e-3 + 1e-6 * TOKENS + kept_s(cache))[beyond])
    most = 1e-3 + 1e-6 * TOKENS
    assert found[~beyond] == pytest.approx(
        np.minimum(most + kept_s(cache), warm(8.0, 4096.0) + 0.75e-6 * TOKENS)[~beyond]
    )


def test_never_faster_than_measured_nor_slower_than_reading_memory_again() -> None:
    row = warm(8.0, 4096.0)
    for ratio in (0.1, 0.5, 1.0):
        found = cold_s(8.0, TOKENS, row, Cache(512.0 * 8, ratio))
        assert (found >= row).all() and (found <= row + 1e-6 * TOKENS * (1.0 - ratio) + 1e-12).all()
        assert (np.diff(found) >= 0).all()


def test_batches_without_a_line_and_no_batch_stay() -> None:
    row = warm(1.0, 1e9)
    assert cold_s(1.0, TOKENS, row, Cache(1e9, 0.3)) is row
    assert cold_s(0.0, TOKENS, row, Cache(1.0, 0.3)) is row


def test_step_times_keep_a_decode_table_of_their_own_beside_chunks() -> None:
    batch, tokens = Axis(8.0, linear_count=8), Axis(4096.0, unit=128.0, linear_count=32)
    hot = np.where(batch.knots()[:, None] * tokens.knots() <= 4096, 0.25, 1.0)
    table = Table(batch, 1e-9 * batch.knots()[:, None] * tokens.knots() * hot, tokens)
    other = Table(batch, table.values * 3.0, tokens)
    cold = with_cold_cache(replace(TIMES, decode_pure=table, decode_mixed=other), Cache(4096.0, 0.25))
    assert cold.decode_mixed is other
    assert cold.decode_pure.values[8, 2] == pytest.approx(1e-9 * 8 * 256)
    assert cold.decode_pure.values[8, -1] == pytest.approx(table.values[8, -1] + 1e-9 * KEPT_SHARE * 4096 * 0.75)
