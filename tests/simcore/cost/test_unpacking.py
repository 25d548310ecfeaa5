"""Formats: limits, order, placebo; one of the user's beside the scenario; what each shipped one says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hardware_specs
from scenarios.formats import format_named
from simcore.cost.machine import machine_of
from simcore.cost.roofline import Roofline
from simcore.errors import InputError
from simcore.ops.build import gemm
from simcore.ops.op import PlanColumns
from simcore.spec.block_kinds import matrix
from simcore.spec.formats import FORMATS, format_text, number_format
from simcore.testing.models import plan_of

A100 = hardware_specs.system("a100-sxm")
LEARNT = hardware_specs.calibration("a100-sxm")


def columns(text: str) -> PlanColumns:
    from dataclasses import replace

    return replace(plan_of(), weight_bytes=number_format(text).bytes_per_element)


def time_s(table: dict[str, Any] | str, rows: float = 1.0, cost: Any = None) -> float:
    """Of a 4,096 x 4,096 product."""
    text = table if isinstance(table, str) else format_text(table)
    plan, machine = columns(text), machine_of(A100, text, text)
    op = gemm(matrix("one", 4096, 4096, "none"), rows, plan, 1.0, plan.weight_bytes)
    (found,) = (cost or Roofline()).costs([op], machine, plan, True)
    return float(np.max(np.maximum(found.compute_s, found.memory_s)))


def learnt() -> Any:
    from simcore.cost.operator_cost import OperatorCost

    return OperatorCost("datasheet", LEARNT)


@pytest.mark.parametrize("cost", [Roofline(), learnt()], ids=["roofline", "datasheet"])
def test_sixteen_bits_by_another_name_are_sixteen_bits(cost: Any) -> None:
    for rows in (1.0, 64.0, 4096.0):
        assert time_s({"payload_bits": 16}, rows, cost) == pytest.approx(time_s("bf16", rows, cost), rel=1e-12)


@pytest.mark.parametrize("cost", [Roofline(), learnt()], ids=["roofline", "datasheet"])
def test_more_of_anything_takes_longer(cost: Any) -> None:
    steps: tuple[tuple[str, tuple[float, float]], ...] = (
        ("payload_bits", (3, 8)),
        ("scale_bits", (0, 32)),
        ("kept_ratio", (0.2, 0.9)),
        ("index_bits", (0, 16)),
        ("unpack_flop", (0, 50)),
        ("outlier_ratio", (0, 0.05)),
        ("extra_passes", (0, 4)),
        ("products", (1, 12)),
    )
    for key, values in steps:
        small, large = (
            [time_s({"payload_bits": 4, "scale_block": 32, key: value}, rows, cost) for rows in (1.0, 512.0)]
            for value in values
        )
        assert all(a <= b * (1 + 1e-9) for a, b in zip(small, large, strict=True)) and small != large, key


def test_limits() -> None:
    assert time_s("bf16") / time_s({"payload_bits": 4}) == pytest.approx(4.0, rel=0.02), "bytes alone decide"
    assert time_s({"payload_bits": 4}, 8192.0) == pytest.approx(time_s("bf16", 8192.0)), "multiplications alone decide"
    tensor = A100.chip.compute[A100.chip.main_unit]
    vector = next(u for u in A100.chip.compute.values() if u.kind == "vector")
    slow = time_s({"payload_bits": 4, "unpack_flop": 100})
    assert slow == pytest.approx(4096**2 * 100 / (vector.peak_flop_per_s["fp32"] / 2)), "unpacking alone decides"
    four = {"payload_bits": 4, "compute": "int4"}
    ratio = tensor.peak_flop_per_s["int4"] / tensor.peak_flop_per_s["bf16"]
    assert time_s("bf16", 8192.0) / time_s(four, 8192.0) == pytest.approx(ratio)
    assert time_s({**four, "other_compute": "bf16", "other_ratio": 1.0}, 8192.0) == pytest.approx(
        time_s("bf16", 8192.0)
    )


def test_the_crossover_is_where_its_bits_put_it() -> None:
    """Four bits gain until 2 m / peak = bits / 8 / bandwidth: 40 rows of an A100; published: 16 to 32, then less."""
    gain = [time_s("bf16", rows) / time_s("int4-marlin", rows) for rows in (1.0, 16.0, 64.0, 128.0, 512.0)]
    assert gain == sorted(gain, reverse=True) and gain[1] > 3.5 and 1.0 <= gain[-1] < 1.05 < gain[3] < 2.0


def test_every_shipped_format_reads_and_runs() -> None:
    for name in FORMATS:
        found = number_format(name)
        assert found.sources and 0 < found.bytes_per_element <= 4, name
        assert time_s(name) > 0 and time_s(name, 64.0, learnt()) > 0, name


def test_a_format_of_ones_own_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text('schema = "format/1"\nname = "two"\npayload_bits = 2\n')
    text = format_named("./two.toml", str(tmp_path / "question.toml"), "plan.weights")
    assert number_format(text).bytes_per_element == 0.25 and time_s(text) < time_s("int4-marlin")
    (tmp_path / "two.toml").write_text('schema = "format/1"\nname = "two"\npayload_bits = 2\npayload = 3\n')
    with pytest.raises(InputError, match="unknown key") as told:
        format_named("./two.toml", str(tmp_path / "question.toml"), "plan.weights")
    assert str(told.value.file).endswith("two.toml") and told.value.key == "payload"
    with pytest.raises(InputError) as told:
        format_named({"payload_bits": 99}, "question.toml", "plan.weights")
    assert told.value.key == "plan.weights.payload_bits"


@pytest.mark.parametrize(
    "weights", ["int4-marlin", "int8-mixed", {"payload_bits": 16, "kept_ratio": 0.2, "index_bits": 16}]
)
def test_alone_the_engines_say_the_same(weights: Any) -> None:
    import simcore
    from planners.engines import engines

    traffic = {"batch": 1, "input_tokens": 3000, "output_tokens": 60, "requests": 4}
    plan = {"tp": 2, "weights": weights, "kv": {"extends": "bfp8"}}
    question = simcore.scenario("llama-3.1-8b", "dgx-h100", stack="datasheet", traffic=traffic, **plan)
    estimated, simulated = engines("analytic")(question), simcore.simulate(question).flat
    assert estimated["feasible"] is simulated["feasible"] is True
    assert estimated["formats"]["kv"] == simulated["formats"]["kv"] == "bfp8-changed"
    assert simulated["tpot_mean_s"] == pytest.approx(estimated["tpot_mean_s"], rel=0.02)
    assert simulated["ttft_mean_s"] == pytest.approx(estimated["ttft_mean_s"], rel=0.02)
