"""Power: bounds, caps and clocks."""

from __future__ import annotations

import numpy as np
import pytest

from hardware_specs.calibrations import power_model
from simcore.cost.kernel_power import PowerState, at_clock, under_cap

BIG = {"m": 8192, "n": 8192, "k": 8192}
DECODE = {"batch_size": 64, "step": 8191, "num_heads": 32, "num_key_value_heads": 8, "head_dim": 128}


@pytest.mark.parametrize("name", ["h200-sxm", "b200-sxm", "a100-sxm-80gb", "arc-pro-b60"])
def test_power_lies_between_idle_and_the_limit(name: str) -> None:
    model = power_model(name)
    for operation, columns in (("gemm", BIG), ("attention_decode", DECODE)):
        watts = model.power_w(operation, columns, np.array([1e-4, 1e-3, 1e-1]))
        assert (watts > model.chip.idle_w * 0.5).all() and (watts <= 1.1 * model.chip.tdp_w).all()
        assert model.energy_j(operation, columns, np.array([1e-3]))[0] == pytest.approx(watts[1] * 1e-3)


def test_a_busier_chip_draws_more() -> None:
    model = power_model("a100-sxm-80gb")
    watts = model.power_w("gemm", BIG, np.array([5e-3, 1e-2, 1e-1]))
    assert (np.diff(watts) < 0).all()


def state(compute_s: float, memory_s: float, power_w: float = 690.0) -> PowerState:
    one = np.ones(1)
    return PowerState(power_w * one, 70.0, 120.0 * one, compute_s * one, memory_s * one)


def test_a_cap_slows_compute_and_spares_memory() -> None:
    clock, power_w, prefill_s = under_cap(state(1.0, 0.2), 400.0)
    assert clock[0] < 1 and power_w[0] == pytest.approx(400.0) and prefill_s[0] == pytest.approx(1 / clock[0])
    _, _, decode_s = under_cap(state(0.2, 1.0), 400.0)
    assert decode_s[0] == 1.0
    assert under_cap(state(1.0, 0.2), 1000.0)[0][0] == 1.0


def test_energy_falls_with_the_clock_where_memory_bounds() -> None:
    energies = [float(np.prod(at_clock(state(0.2, 1.0), np.array([c])))) for c in (1.0, 0.8, 0.6)]
    assert energies[0] > energies[1] > energies[2]
