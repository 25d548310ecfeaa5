"""Step-time tables: exact at knots, linear between, continued beyond; sampled from a cost model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.step.kernel import (
    DECODE_PURE,
    DENSE_PURE,
    PREFILL,
    decode_step_s,
    lookup,
    lookup_2d,
    mixed_step_s,
    pack,
)
from simcore.step.served import Work
from simcore.step.times import Axis, SampleRange, StepParts, StepSample, StepTimes, Table, sample_step_times


def roofline(steps: StepSample) -> StepParts:
    """A 7 GB model on 2 TB/s and 200 TFLOP/s."""
    tokens = steps.chunk_tokens + steps.decodes
    dense = np.maximum(7e9 / 2e12, tokens * 14e9 / 2e14)
    prefill = steps.chunk_tokens * (steps.past_tokens + steps.chunk_tokens / 2) * 5e5 / 2e14
    decode = steps.decodes * steps.kv_tokens * 1.3e5 / 2e12
    return StepParts(Work(elementwise=dense), prefill + decode, steps.sequences * 1e-6, tokens * 1e-8)


TIMES = sample_step_times(roofline, SampleRange(tokens=8192, past_tokens=32768, decodes=256), host_pure_s=1e-3)
RECORD = pack(TIMES)[0]
EQUAL = (1000.0, 1000.0, 1000.0)
"""mean, shortest and longest KV"""


@settings(deadline=None)
@given(st.floats(1, 1e6), st.sampled_from([0.5, 1.0, 16.0, 64.0]), st.integers(1, 64))
def test_knots_ascend_and_reach(highest: float, unit: float, linear: int) -> None:
    axis = Axis(highest, unit, linear)
    knots = axis.knots()
    assert (np.diff(knots) > 0).all() and knots[0] == 0.0
    assert knots[-1] >= highest * (1 - 1e-12)
    assert len(knots) == axis.size


@settings(deadline=None)
@given(st.floats(0, 20000))
def test_look_up_equals_numpy(x: float) -> None:
    axis = Axis(10_000, 1.0, 16)
    values = np.sqrt(axis.knots())
    table = Table(axis, values)
    times = StepTimes(table, table, TIMES.prefill, TIMES.decode_pure, TIMES.decode_mixed)
    record = pack(times)[0]
    knots = axis.knots()
    slope = (values[-1] - values[-2]) / (knots[-1] - knots[-2])
    expected = np.interp(x, knots, values) if x <= knots[-1] else values[-1] + slope * (x - knots[-1])
    assert lookup(record, DENSE_PURE, x) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(st.integers(1, 8000), st.integers(0, 30000))
def test_prefill_is_met_within_the_spacing(chunk: int, past: int) -> None:
    exact = chunk * (past + chunk / 2) * 5e5 / 2e14
    assert lookup_2d(RECORD, PREFILL, float(chunk), float(past)) == pytest.approx(exact, rel=1 / 128)


@settings(deadline=None)
@given(st.integers(1, 250), st.integers(1, 30000))
def test_decode_is_bilinear_and_exact(batch: int, kv: int) -> None:
    exact = batch * kv * 1.3e5 / 2e12
    assert lookup_2d(RECORD, DECODE_PURE, float(batch), float(kv)) == pytest.approx(exact, rel=1e-9)


def test_a_step_is_the_sum_of_its_parts() -> None:
    found = decode_step_s(RECORD, 32.0, EQUAL)
    assert found == pytest.approx(1e-3 + 7e9 / 2e12 + 32 * 1000 * 1.3e5 / 2e12 + 32e-6 + 32e-8, rel=1e-6)
    mixed = mixed_step_s(RECORD, 544.0, 0.002, 32.0, EQUAL, 33.0)
    assert mixed == pytest.approx(544 * 14e9 / 2e14 + 0.002 + 32 * 1000 * 1.3e5 / 2e12 + 33e-6 + 544e-8, rel=0.01)


@settings(deadline=None)
@given(st.integers(1, 8000), st.integers(1, 250), st.integers(1, 20000))
def test_more_work_is_never_faster(tokens: int, batch: int, kv: int) -> None:
    def of(batch: int, kv: int) -> float:
        return float(decode_step_s(RECORD, float(batch), (float(kv), float(kv), float(kv))))

    assert of(batch + 1, kv) >= of(batch, kv)
    assert of(batch, kv + 7) >= of(batch, kv)


def test_uneven_lengths_cost_a_share_of_the_way_to_the_longest() -> None:
    alpha = Table(Axis(256.0), np.full(Axis(256.0).size, 0.25))
    record = pack(replace(TIMES, uneven_pure=alpha))[0]
    uneven = (1000.0, 500.0, 3000.0)
    more_s = decode_step_s(record, 32.0, uneven) - decode_step_s(record, 32.0, EQUAL)
    assert more_s == pytest.approx(0.25 * 32 * 2000 * 1.3e5 / 2e12, rel=1e-6)
    assert mixed_step_s(record, 544.0, 0.0, 32.0, uneven, 33.0) == mixed_step_s(record, 544.0, 0.0, 32.0, EQUAL, 33.0)


def test_rounding_up_looks_at_the_next_unit() -> None:
    axis = Axis(64, unit=8, linear_count=8, round_up=True)
    table = Table(axis, axis.knots())
    record = pack(StepTimes(table, table, TIMES.prefill, TIMES.decode_pure, TIMES.decode_mixed))[0]
    assert [lookup(record, DENSE_PURE, x) for x in (1.0, 8.0, 9.0)] == [8.0, 8.0, 16.0]


def test_tables_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        Table(Axis(10.0), np.zeros(3))
