"""Goodput: the closed form against months of events, limits that are known, the best interval."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simcore.engine.training.faults import Faults, best_interval, months

RATE = 1.0 / (3.09 * 3600.0)


@pytest.mark.parametrize(
    "faults",
    [
        Faults(RATE, 1000.0, 60.0, down_s=600.0),
        Faults(RATE, 400.0, 2.0, lag_s=120.0, down_s=660.0),
        Faults(RATE, 300.0, 2.0, lag_s=10.0, down_s=660.0, far_ratio=0.1, slow_every=8),
        Faults(RATE, 800.0, 30.0, down_s=600.0, spares=16, repair_s=14400.0),
        Faults(RATE, 800.0, 30.0, down_s=600.0, spares=0, repair_s=14400.0),
    ],
)
def test_events_and_closed_form_agree(faults: Faults) -> None:
    assert months(faults, 1000).mean() == pytest.approx(faults.goodput_ratio, rel=0.005)


def test_without_failures_only_saves_cost() -> None:
    faults = Faults(0.0, 900.0, 100.0)
    assert faults.goodput_ratio == pytest.approx(0.9)
    assert months(faults, 3) == pytest.approx(0.9, abs=1e-3)


def test_the_best_interval_is_youngs() -> None:
    """sqrt(2 delta / lambda), for saves that are short against the time between failures."""
    found = best_interval(Faults(1e-5, 1.0, stop_s=10.0, down_s=0.0))
    assert found.interval_s == pytest.approx((2 * 10.0 / 1e-5) ** 0.5, rel=0.02)
    for factor in (0.8, 1.25):
        assert replace(found, interval_s=found.interval_s * factor).goodput_ratio < found.goodput_ratio
