"""FlashAttention-2: decodes beside a chunk, uneven lengths."""

from __future__ import annotations

import numpy as np
import pytest

from simcore.cost.flash_attention import ALPHA, BATCHES, PLACES, alpha, flash_attention_2
from simcore.cost.step_kernel import DECODE_MIXED, DECODE_PURE, decode_step_s, lookup_2d, pack
from tests.cost.test_step_times import EQUAL, TIMES


@pytest.mark.parametrize(("queries_per_kv", "ratio"), [(1.0, 1.0), (4.0, 1.36), (8.0, 2.72)])
def test_decodes_beside_a_chunk_read_kv_again(queries_per_kv: float, ratio: float) -> None:
    record = pack(flash_attention_2(TIMES, queries_per_kv))[0]
    alone_s = lookup_2d(record, DECODE_PURE, 64.0, 1000.0)
    assert lookup_2d(record, DECODE_MIXED, 64.0, 1000.0) == pytest.approx(ratio * alone_s)


def test_the_lattice_holds_the_medians() -> None:
    table = alpha()
    assert table.y is not None
    batch, place = table.x.knots(), table.y.knots()
    for number, row in zip(BATCHES, ALPHA, strict=True):
        found = np.interp(PLACES, place, table.values[batch == number][0])
        assert found == pytest.approx(row, abs=0.02)


def test_uneven_lengths_are_slower_than_equal_ones() -> None:
    record = pack(flash_attention_2(TIMES, 4.0))[0]
    assert decode_step_s(record, 64.0, (1000.0, 200.0, 4000.0)) > decode_step_s(record, 64.0, EQUAL)
