"""Releases of a stack that differ from its newest."""

from __future__ import annotations

import hardware_specs
import simcore
from simcore.spec.stack import StackRelease, Untuned

LOAD = {"input_tokens": 500, "output_tokens": 200, "batch": 32}


def tpot_s(model: str, chip: str, stack: str, weights: str) -> float:
    question = simcore.scenario(model, chip, stack=stack, weights=weights, tp=4, traffic=LOAD)
    return float(simcore.estimate(question).tpot_s)


def test_a_release_is_found_by_its_first_numbers() -> None:
    stack = hardware_specs.stack("vllm")
    assert stack.release("0.11.1").effects == "vllm-0.11"
    assert stack.release("0.11").effects == "vllm-0.11"
    for other in ("0.110", "0.12.0", ""):
        assert stack.release(other) == stack


def test_an_old_release_has_its_own_effects() -> None:
    """Its sequences cost more time, on every chip and format."""
    for weights in ("bf16", "fp8-block"):
        now, then = (tpot_s("qwen3-32b", "h100-sxm", s, weights) for s in ("vllm", "vllm@0.11.1"))
        assert then > 1.02 * now


def test_untuned_experts_are_slower_on_their_generation_alone() -> None:
    untuned = Untuned(generations=("blackwell",), expert_ratio=1.5)
    assert untuned.ratio("blackwell", "bf16") == 1.5
    assert untuned.ratio("hopper", "bf16") == untuned.ratio("blackwell", "fp8-block") == 1.0
    stack = hardware_specs.stack("vllm").replace(
        name="old", releases=(StackRelease(version="1", effects="vllm", untuned=untuned),)
    )
    assert stack.release("1.2").untuned.expert_ratio == 1.5
