"""FlashAttention-2: decodes beside a chunk, uneven lengths."""

from __future__ import annotations

import numpy as np
import pytest

from simcore.cost.flash_attention import ALPHA, BATCHES, PLACES, Kernel, alpha, flash_attention_2, unpacked_ratio
from simcore.cost.step_kernel import DECODE_MIXED, DECODE_PURE, decode_step_s, lookup_2d, pack
from tests.cost.test_step_times import EQUAL, TIMES


def kernel(queries_per_kv: float, cached_tokens: float = 1e12) -> Kernel:
    return Kernel(queries_per_kv, 188.0, cached_tokens)


@pytest.mark.parametrize(("queries_per_kv", "ratio"), [(1.0, 1.0), (4.0, 1.344), (8.0, 2.688)])
def test_decodes_beside_a_chunk_read_kv_again(queries_per_kv: float, ratio: float) -> None:
    record = pack(flash_attention_2(TIMES, kernel(queries_per_kv)))[0]
    alone_s = lookup_2d(record, DECODE_PURE, 64.0, 1024.0)
    assert lookup_2d(record, DECODE_MIXED, 64.0, 1024.0) == pytest.approx(ratio * alone_s)


def test_what_the_cache_does_not_hold_is_read_by_every_wave_of_heads() -> None:
    """128 sequences leave room for one head at a time; with nothing cached each query head reads everything."""
    small = Kernel(8.0, 188.0, 0.0)
    assert unpacked_ratio(small, np.array([128.0]), np.array([1000.0]))[0] == pytest.approx(8.0)
    assert unpacked_ratio(small, np.array([64.0]), np.array([1000.0]))[0] == pytest.approx(8.0 / 2)
    half = unpacked_ratio(Kernel(8.0, 188.0, 64_000.0), np.array([128.0]), np.array([1000.0]))[0]
    assert half == pytest.approx(8.0 * (0.39 + 0.61 / 2))


def test_a_larger_cache_is_never_slower() -> None:
    batch, tokens = np.array([[16.0], [64.0], [200.0]]), np.array([[100.0, 1000.0, 9000.0]])
    ratios = [unpacked_ratio(Kernel(4.0, 188.0, size), batch, tokens) for size in (1e3, 1e5, 1e7)]
    assert (ratios[0] >= ratios[1]).all() and (ratios[1] >= ratios[2]).all() and (ratios[2] >= 1.0).all()


def test_the_lattice_holds_the_medians() -> None:
    table = alpha()
    assert table.y is not None
    batch, place = table.x.knots(), table.y.knots()
    for number, row in zip(BATCHES, ALPHA, strict=True):
        found = np.interp(PLACES, place, table.values[batch == number][0])
        assert found == pytest.approx(row, abs=0.02)


def test_uneven_lengths_are_slower_than_equal_ones() -> None:
    record = pack(flash_attention_2(TIMES, kernel(4.0)))[0]
    assert decode_step_s(record, 64.0, (1000.0, 200.0, 4000.0)) > decode_step_s(record, 64.0, EQUAL)
