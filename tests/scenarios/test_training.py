"""Every key of [training] moves something, and in the direction that it should."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from scenarios.read import read
from scenarios.train import train_scenario
from simcore.errors import InputError
from tests.shared import ROOT

BASE = {"plan.tp": 2, "plan.pp": 2, "plan.dp": 2, "plan.sp": True, "training.zero": 1, "training.tokens": 1e12}
FASTER = {"training.packed": True, "training.tune": "lora", "training.schedule": "zb-h1", "training.graphs": "whole"}
SLOWER = {
    "training.precision": "bf16",
    "training.recompute": "full",
    "training.attention": "unfused",
    "training.straggler_ratio": 1.2,
    "training.stage_layers": [10, 22],
    "training.overlap": {"dp": False},
    "plan.sp": False,
}
SMALLER = {
    "training.optimizer": "galore",
    "training.gradients": "bf16",
    "training.zero": 2,
    "training.recompute_modules": ["mlp"],
    "training.tune": "lora",
}


@cache
def base() -> dict[str, Any]:
    return answer({})


def answer(changes: dict[str, Any]) -> dict[str, Any]:
    question = read(ROOT / "examples" / "train-llama-8b.toml").set({**BASE, **changes})
    return train_scenario(question).flat


@pytest.mark.parametrize("key", FASTER)
def test_faster(key: str) -> None:
    more = {"training.mean_tokens": 1000} if key.endswith("packed") else {}
    assert answer({key: FASTER[key], **more})["step_time_s"] < base()["step_time_s"]


@pytest.mark.parametrize("key", SLOWER)
def test_slower(key: str) -> None:
    assert answer({key: SLOWER[key]})["step_time_s"] > base()["step_time_s"]


@pytest.mark.parametrize("key", SMALLER)
def test_smaller(key: str) -> None:
    assert answer({key: SMALLER[key]})["need_bytes"] < base()["need_bytes"]


@pytest.mark.parametrize("name", ["weights", "gradients", "optimizer", "activations"])
def test_offload_trades_time_for_memory(name: str) -> None:
    found = answer({f"residency.{name}": "dram"})
    assert found[f"{name}_bytes"] == 0.0 and found["need_bytes"] < base()["need_bytes"]
    assert found["step_time_s"] > base()["step_time_s"]
    half = answer({f"residency.{name}": {"tier": "dram", "share": 0.5}})
    assert base()["step_time_s"] < half["step_time_s"] <= found["step_time_s"]


def test_failures_lengthen_the_run() -> None:
    found = answer({"training.failures": {"mtbf": {"chip": "2000 h"}, "spare_nodes": 2}})
    assert found["goodput_ratio"] == pytest.approx(found["goodput_event_ratio"], rel=0.01)
    assert found["run_s"] == pytest.approx(base()["run_s"] / found["goodput_ratio"], rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"plan.kv": "fp8"}, "plan.kv: is a format of serving"),
        ({"policy.graphs": False}, "policy: is for serving"),
        ({"residency.kv": "dram"}, "residency.kv: is no class of training"),
        ({"residency.weights": "tape"}, "residency.weights: dgx-h100 has no memory tier"),
        ({"training.optimizer": "adams"}, "training.optimizer: unknown optimizer 'adams'"),
        ({"training.framework": "megatron-brigde"}, "unknown training framework"),
        ({"training.recipe": "pretrain"}, "training.recipe: unknown recipe"),
        ({"training.failures": {"mtbf": {"pump": "9 h"}}}, "is a component of unknown number"),
        ({"plan.dp": 64}, "needs 256 chips"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as told:
        answer(changes)
    assert words in str(told.value)
