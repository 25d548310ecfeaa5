"""Formats of single layers: one engine's price is the other's, all layers in one format are the plan's own."""

from __future__ import annotations

from typing import Any

import pytest

import simcore
from simcore.errors import InputError

LOAD = {"input_tokens": 1500, "output_tokens": 60, "batch": 1, "requests": 5}
MIXED = (
    [{"layers": "0-15", "ffn": "int4-marlin"}, {"layers": "8-31", "kv": "int4"}],
    [{"layers": "0-3, 28-31", "weights": "fp8"}, {"layers": "4-27", "weights": "int4-marlin", "mixer": "bf16"}],
)


def asked(model: str, stack: str, layers: Any) -> Any:
    found = simcore.scenario(model, "h100-sxm", stack=stack, traffic=LOAD)
    return found.set({"plan.layers": layers}) if layers else found


@pytest.mark.parametrize("stack", ["datasheet", "vllm"])
@pytest.mark.parametrize("layers", MIXED)
def test_both_engines_price_mixed_layers_alike(stack: str, layers: Any) -> None:
    question = asked("llama-3.1-8b", stack, layers)
    estimated, simulated = simcore.estimate(question).values, simcore.simulate(question).flat
    assert simulated["tpot_mean_s"] == pytest.approx(estimated["tpot_s"], rel=0.02)
    assert simulated["ttft_mean_s"] == pytest.approx(estimated["ttft_s"], rel=0.02)
    assert simulated["kv_tokens"] == estimated["kv_tokens"]
    plain = simcore.estimate(asked("llama-3.1-8b", stack, None)).values
    assert estimated["tpot_s"] < plain["tpot_s"] and estimated["weights_bytes"] < plain["weights_bytes"]


@pytest.mark.parametrize(("name", "apart"), [("int4-marlin", 1e-9), ("fp8", 0.02)])
def test_all_layers_in_one_format_are_the_plans_own(name: str, apart: float) -> None:
    """But for the head, which kernels of the plan's own format multiply."""
    every = asked("llama-3.1-8b", "datasheet", [{"layers": "0-31", "weights": name}])
    whole = simcore.scenario("llama-3.1-8b", "h100-sxm", stack="datasheet", weights=name, traffic=LOAD)
    ours, theirs = simcore.estimate(every).values, simcore.estimate(whole).values
    for key in ("tpot_s", "ttft_s", "weights_bytes", "kv_tokens", "chip_power_w"):
        assert ours[key] == pytest.approx(theirs[key], rel=apart)


def test_experts_and_kv_of_some_layers() -> None:
    plain = simcore.estimate(asked("qwen3-30b-a3b", "vllm", None)).values
    mixed = simcore.estimate(asked("qwen3-30b-a3b", "vllm", [{"layers": "4-40", "experts": "int4"}])).values
    assert mixed["experts_bytes"] < 0.5 * plain["experts_bytes"] and mixed["kv_bytes"] == plain["kv_bytes"]
    kept = simcore.estimate(asked("qwen3-30b-a3b", "vllm", [{"layers": "0-23", "kv": "int4"}])).values
    assert kept["kv_bytes"] < 0.7 * plain["kv_bytes"] and kept["weights_bytes"] == plain["weights_bytes"]


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        ([{"layers": "0-99", "weights": "fp8"}], "plan.layers.0.layers"),
        ([{"layers": "3-1", "weights": "fp8"}], "plan.layers.0.layers"),
        ([{"layers": "0", "weights": "fp9"}], "plan.layers.0.weights"),
        ([{"layers": "0", "weight": "fp8"}], "plan.layers.0.weight"),
    ],
)
def test_bad_layers_are_named(rows: Any, key: str) -> None:
    with pytest.raises(InputError) as told:
        simcore.estimate(asked("llama-3.1-8b", "datasheet", rows))
    assert key in str(told.value.key)
