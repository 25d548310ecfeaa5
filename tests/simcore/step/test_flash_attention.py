"""FlashAttention-2 on paged KV: chunks on a past, decodes beside a chunk, uneven lengths."""

from __future__ import annotations

import numpy as np
import pytest

from simcore.step.effects.flash_attention import (
    BESIDE_TAIL,
    FIRST_SHARE,
    SHARED_RATIO,
    TILE_TOKENS,
    WHOLE_TAIL,
    Kernel,
    alpha_alone,
    alpha_beside,
    beside_s,
    flash_attention_2,
    on_past_s,
    tile_token_s,
    whole_batch,
)
from simcore.step.kernel import decode_step_s, mixed_step_s, pack
from simcore.step.times import Axis, Table
from tests.simcore.step.test_times import EQUAL, TIMES

TOKEN_S = 1e-6


def kernel(heads: float = 32.0, queries_per_kv: float = 4.0, cached_tokens: float = 1e12) -> Kernel:
    return Kernel(heads, queries_per_kv, 188.0, cached_tokens, TOKEN_S)


def test_a_tile_takes_its_multiplications_and_some_cycles() -> None:
    """RTX PRO 6000, head_dim 128: 32 cycles of 1,024 operations and 22.5 more; measured 54.5 cycles."""
    assert tile_token_s(128, 503.8e12, 188, 2.617e9) * 2.617e9 == pytest.approx(54.5, abs=0.1)


def test_short_chunks_leave_multiprocessors_idle() -> None:
    """32 heads: one tile each up to 64 tokens, 64 tiles of 128, two rounds of 256 tiles at 512."""
    chunks = Table(Axis(512.0, unit=64.0, linear_count=8), np.full((9, 3), 0.5), Axis(2000.0, unit=1000.0))
    found = on_past_s(kernel(), chunks)
    assert found[:, 0] == pytest.approx(0.5)
    assert found[1] - 0.5 == pytest.approx([0.0, 1000 * TOKEN_S, 2000 * TOKEN_S])
    assert found[2] == pytest.approx(found[1])
    assert found[8] - 0.5 == pytest.approx(2 * SHARED_RATIO * (found[1] - 0.5))


def test_decodes_beside_a_chunk_take_a_tile_per_query_head() -> None:
    """32 x 47 tiles are 8 rounds of 188; the first reading from memory takes less than they do."""
    found = beside_s(kernel(), np.array([47.0]), np.array([1000.0]), np.array([1e-4]))[0]
    assert found == pytest.approx(8 * SHARED_RATIO * (1000 + TILE_TOKENS) * TOKEN_S)
    assert beside_s(kernel(), np.array([0.0]), np.array([1000.0]), np.array([0.0]))[0] == 0.0


def test_the_first_reading_from_memory_is_partly_hidden() -> None:
    quick = beside_s(kernel(), np.array([94.0]), np.array([1000.0]), np.array([1e-4]))[0]
    slow = beside_s(kernel(), np.array([94.0]), np.array([1000.0]), np.array([0.02]))[0]
    assert slow - quick == pytest.approx(FIRST_SHARE * (0.02 - quick / 2))  # two heads of four at once


def test_what_the_cache_does_not_hold_is_read_by_every_wave_of_heads() -> None:
    """128 sequences leave room for one head at a time; with nothing cached each query head reads everything."""
    batch, tokens, alone_s = np.array([128.0]), np.array([1000.0]), np.array([0.1])
    assert beside_s(kernel(cached_tokens=0.0), batch, tokens, alone_s)[0] == pytest.approx(0.4)
    held, half = (beside_s(kernel(cached_tokens=c), batch, tokens, alone_s)[0] for c in (1e12, 64_000.0))
    assert half == pytest.approx((held + 0.4) / 2)


def test_a_larger_cache_is_never_slower() -> None:
    batch, tokens = np.array([[16.0], [64.0], [200.0]]), np.array([[100.0, 1000.0, 9000.0]])
    alone_s = 1e-5 * batch * tokens
    found = [beside_s(kernel(cached_tokens=size), batch, tokens, alone_s) for size in (1e3, 1e5, 1e7)]
    assert (found[0] >= found[1]).all() and (found[1] >= found[2]).all()


def test_decodes_are_split_below_the_threshold_of_the_kernel() -> None:
    assert whole_batch(188.0, 8.0) == 38.0
    assert whole_batch(188.0, 4.0) == 76.0
    assert whole_batch(128.0, 8.0) == 26.0
    table = alpha_alone(kernel())
    batch = table.x.knots()
    assert table.values[batch < 38].max() < 0.1
    assert table.values[batch == 40][0].min() > 0.0
    assert table.values[batch == 128][0] == pytest.approx(table.values[batch == 64][0] / 2)


def test_the_tail_is_a_share_of_one_block() -> None:
    """64 sequences of 8 KV heads on 188: alpha 0.081 at places under 0.08; the four profiles say 0.08 to 0.09."""
    alone, beside = alpha_alone(kernel()), alpha_beside(kernel())
    assert alone.values[alone.x.knots() == 64][0][0] == pytest.approx(WHOLE_TAIL[0] * 188 / 512)
    assert alone.values[alone.x.knots() == 64][0][0] == pytest.approx(0.081, abs=0.001)
    assert beside.values[beside.x.knots() == 64][0] == pytest.approx(BESIDE_TAIL * 188 / 2048)


def test_uneven_lengths_are_slower_than_equal_ones() -> None:
    record = pack(flash_attention_2(TIMES, kernel()))[0]
    uneven = (1000.0, 200.0, 4000.0)
    assert decode_step_s(record, 64.0, uneven) > decode_step_s(record, 64.0, EQUAL)
    assert mixed_step_s(record, 564.0, 0.0, 64.0, uneven, 65.0) > mixed_step_s(record, 564.0, 0.0, 64.0, EQUAL, 65.0)
