"""Board power of whole steps."""

from __future__ import annotations

import numpy as np

import simcore
from hardware_specs.calibrations import board_law, board_laws

LOAD = {"input_tokens": 1024, "output_tokens": 128, "batch": 32}


def test_power_rises_with_work_and_stays_below_the_limit() -> None:
    law = board_law("h100-sxm")
    shares = np.linspace(0.0, 1.0, 21)
    for other in (0.0, 0.4, 1.0):
        for found in (law.share(shares, other), law.share(other, shares)):
            assert np.all(np.diff(np.asarray(found)) >= 0.0) and np.all(np.asarray(found) <= 1.0)
    assert float(law.share(0.0, 0.0)) == law.awake or abs(float(law.share(0.0, 0.0)) - law.awake) < 1e-9


def test_formats_of_one_chip_draw_alike() -> None:
    """No number of the law belongs to a format: within 20 % of each other at one load."""
    for chip in ("h100-sxm", "h200-sxm", "b200-sxm"):
        watts = [
            float(
                simcore.estimate(
                    simcore.scenario("qwen3-32b", chip, stack="vllm", weights=weights, tp=2, traffic=LOAD)
                ).chip_power_w
            )
            for weights in ("bf16", "fp8", "fp8-block")
        ]
        assert max(watts) < 1.2 * min(watts)


def test_generations_that_were_not_measured_rest_at_their_idle_power() -> None:
    laws = board_laws()
    assert set(laws["awake"]) == {"hopper", "blackwell"}
    assert board_law("l40s").awake == 35.0 / 350.0
