"""Spatial arrays in `estimate`: a unit that names its dataflow is priced by its folds."""

from __future__ import annotations

import pytest

import simcore
from simcore.cost.dataflows import dataflow
from simcore.cost.dataflows._base import Gemm
from simcore.cost.machine import machine_of
from simcore.cost.roofline import array_ratio
from simcore.errors import InputError
from simcore.ops.op import Op

SYSTEM = "tpu-v6e"


def on(flow: str | None, **changes: object) -> object:
    chip = simcore.resolve("chip", SYSTEM)
    unit = chip.compute["tensor"].replace(dataflow=flow, count=4, **changes)
    return chip.replace(compute={**chip.compute, "tensor": unit})


def ttft_s(flow: str | None, batch: int = 1) -> float:
    changes = {} if flow is None else {"hardware.chip.compute.tensor.dataflow": flow}
    load = {"input_tokens": 4000, "output_tokens": 8, "batch": batch}
    return float(
        simcore.estimate(simcore.scenario("qwen3-0.6b", SYSTEM, stack="roofline", traffic=load).set(changes)).ttft_s
    )


@pytest.mark.parametrize("flow", sorted(dataflow))
def test_a_large_product_reaches_the_peak_and_a_small_one_does_not(flow: str) -> None:
    system = simcore.resolve("system", SYSTEM).replace(chip=on(flow))
    machine = machine_of(system, "bf16", "bf16")
    large, small = (
        Op("x", "gemm", "matrix", 1.0, 0.0, shape={"m": m, "n": 8192.0, "k": 8192.0}) for m in (65536.0, 3.0)
    )
    assert 1.0 <= float(array_ratio(large, machine)) < 1.01
    assert float(array_ratio(small, machine)) > 5.0


def test_folds_are_shared_by_the_arrays() -> None:
    gemm, flow = Gemm(512, 512, 512), dataflow("weight")
    one, four = (float(flow.warm_cycles(gemm, 128, 128, arrays)) for arrays in (1, 4))
    assert four < one and (one + 1 - 4 * (four + 1)) == pytest.approx(-3 * (2 * 128 + 128 - 2))


def test_dataflows_are_named_in_the_question() -> None:
    times = {flow: ttft_s(flow) for flow in (None, *dataflow)}
    assert len(set(times.values())) == len(times)
    with pytest.raises(InputError, match="unknown dataflow 'row'"):
        ttft_s("row")
    with pytest.raises(InputError, match="is for a systolic unit"):
        simcore.estimate(
            simcore.scenario("qwen3-0.6b", "h100-sxm").set({"hardware.chip.compute.tensor.dataflow": "output"})
        )
