"""Operations in streams: what cannot overlap, what hides wholly, what no order beats."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.engine.streams import Streams, Work, chain_of, overlapped

GEMM, READ, SEND = Work("gemm", matrix_s=2.0, memory_s=0.2), Work("read", 0.2, 1.0), Work("send", link_s=1.0)
seconds = st.floats(0.01, 5.0)
works = st.lists(st.builds(Work, st.just("one"), seconds, seconds, seconds), min_size=1, max_size=5)


@given(works, st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_bounds(layer: list[Work], parts: int) -> None:
    """One stream is the sum; several are neither slower than that nor faster than the busiest resource."""
    one = overlapped([layer])
    assert one.time_s == pytest.approx(one.alone_s, rel=1e-9)
    several = overlapped([[work.part(parts) for work in layer]] * parts)
    assert one.bound_s * (1 - 1e-9) <= several.time_s <= one.alone_s * (1 + 1e-9)


def test_unlike_work_hides_and_like_work_does_not() -> None:
    assert overlapped([[GEMM], [GEMM]]).time_s == pytest.approx(4.0)
    mixed = overlapped([chain_of([GEMM, SEND], 8)] * 2)
    assert 32.0 < mixed.time_s < 38.0, (
        "a send hides behind the other stream's product, which yields when the first is back"
    )
    reads = overlapped([[GEMM], [READ]])
    assert 2.0 <= reads.time_s < 3.0


def test_late_collectives_hide_behind_the_next_block() -> None:
    chain = chain_of([GEMM, SEND], 10)
    plain, late = overlapped([chain]), overlapped([chain], Streams(late=True))
    assert plain.time_s == pytest.approx(30.0) and late.time_s == pytest.approx(21.0)
    slow = chain_of([GEMM, Work("send", link_s=5.0)], 10)
    assert overlapped([slow], Streams(late=True)).time_s == pytest.approx(52.0, rel=0.05), "the wire is the bound"


def test_more_streams_of_tiles_hide_more() -> None:
    layer = chain_of([GEMM, READ, SEND], 4)
    times = [overlapped([[w.part(k) for w in layer]] * k).time_s for k in (1, 2, 4, 8)]
    assert times == sorted(times, reverse=True) and times[-1] >= 8.0
