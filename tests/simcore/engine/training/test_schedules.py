"""Every schedule keeps its contract; unequal stages, latency and memory against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from simcore.engine.training.pipeline import Pipelined, StageTimes, program, run
from simcore.engine.training.schedules import schedules
from simcore.errors import InputError
from simcore.testing import check_schedule


@pytest.mark.parametrize("name", schedules.names())
def test_a_schedule_keeps_its_contract(name: str) -> None:
    check_schedule(name)


@pytest.mark.parametrize(("ranks", "microbatches"), [(2, 4), (4, 8), (8, 16), (4, 12)])
def test_latency_costs_1f1b_twice_each_microbatch(ranks: int, microbatches: int) -> None:
    """(n + p - 1)(f + b) + 2 h ((p - 1) n / p + p - 2) where p divides n and h is small."""
    p, n, h = ranks, microbatches, 0.01
    ones = np.ones(p)
    found = run(program("1f1b", p, 1, n), StageTimes(ones, 2 * ones, 0 * ones, latency_s=h))
    assert found.time_s == pytest.approx((n + p - 1) * 3.0 + 2 * h * ((p - 1) * n / p + p - 2))


def test_unequal_stages_are_no_closed_form() -> None:
    """A slow first stage delays less than the sum of stages and the slowest one says."""
    forward, back = np.array([1.0, 3.0, 1.0, 2.0]), np.array([2.0, 1.0, 4.0, 2.0])
    found = run(program("1f1b", 4, 1, 8), StageTimes(forward, back, np.zeros(4)))
    slowest = float((forward + back).max())
    assert found.time_s >= 8 * slowest
    assert found.time_s != pytest.approx(float((forward + back).sum()) + 7 * slowest)


def test_interleaving_holds_what_korthikanti_counts() -> None:
    """L (1 + (p - 1) / (p v)) layers on the first rank."""
    p, v, layers = 8, 3, 96
    each = np.full(p * v, layers / (p * v))
    found = run(program("interleaved", p, v, 64), StageTimes(each, each, 0 * each, held_bytes=each))
    assert found.peak_bytes[0] == pytest.approx(layers * (1 + (p - 1) / (p * v)))


def test_a_schedule_says_what_it_refuses() -> None:
    with pytest.raises(InputError, match="needs 16 microbatches"):
        program("dualpipe", 8, 2, 8)


def test_one_stage_waits_no_less_than_not_at_all() -> None:
    """64 million micro-batches lose the last bits of their sum: a bubble of -7.6e-11 was told."""
    none = np.zeros(0)
    assert Pipelined(1.0, np.array([1.0 + 1e-10]), none, none, None, None).bubble_ratio == 0.0  # type: ignore[arg-type]
