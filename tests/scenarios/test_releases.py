"""Releases of a stack that differ from its newest."""

from __future__ import annotations

import hardware_specs
import simcore
from simcore import registry
from simcore.spec.stack import StackRelease, Untuned

LOAD = {"input_tokens": 500, "output_tokens": 200, "batch": 32}


def tpot_s(model: str, chip: str, stack: str, weights: str) -> float:
    question = simcore.scenario(model, chip, stack=stack, weights=weights, tp=4, traffic=LOAD)
    return float(simcore.estimate(question).tpot_s)


def test_a_release_is_found_by_its_first_numbers() -> None:
    stack = hardware_specs.stack("vllm")
    assert stack.release("0.11.1").effects == "vllm-0.11"
    assert stack.release("0.11").effects == "vllm-0.11"
    for other in ("0.110", "0.14.0", ""):
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
        name="old", releases=(StackRelease(versions=("1",), effects="vllm", untuned=untuned),)
    )
    assert stack.release("1.2").untuned.expert_ratio == 1.5


def test_short_prompts_run_from_graphs_where_the_stack_captures_them() -> None:
    """A step of 200 prompt tokens is launched one by one under a stack that captures decodes alone."""
    short = {"input_tokens": 200, "output_tokens": 50, "batch": 1}
    stack = hardware_specs.stack("vllm")

    def ttft_s(graph_tokens: int, per_sequence: int) -> float:
        serving = stack.serving.model_copy(
            update={"graph_tokens": graph_tokens, "graph_tokens_per_sequence": per_sequence}
        )
        registry.register("stack", stack.replace(name="changed", serving=serving))
        try:
            asked = simcore.scenario("llama-3.1-8b", "h100-sxm", stack="changed", traffic=short)
            return float(simcore.estimate(asked.set({"policy.max_running": 100})).ttft_s)
        finally:
            registry.unregister("stack", "changed")

    assert ttft_s(0, 2) == ttft_s(512, 1) > 1.1 * ttft_s(512, 2)


def test_decodes_without_graphs_are_launched_one_by_one() -> None:
    question = simcore.scenario("llama-3.1-8b", "h100-sxm", stack="vllm", traffic=LOAD | {"batch": 1})
    captured, eager = (float(simcore.estimate(question.set({"policy.graphs": g})).tpot_s) for g in (True, False))
    assert eager > 1.5 * captured


def test_before_0_14_a_step_waits_for_its_scheduling_unless_told() -> None:
    """Asynchronous scheduling came on by default; a host of slow threads makes the wait longer."""
    asked = simcore.scenario("qwen3-0.6b", "a100-sxm", stack="vllm@0.10", traffic={**LOAD, "batch": 1})
    told = asked.set({"policy.overlap_scheduling": True})
    newest = simcore.scenario("qwen3-0.6b", "a100-sxm", stack="vllm", traffic={**LOAD, "batch": 1})
    faster = asked.set({"hardware.node.host": "x86-sapphire-rapids"})
    assert simcore.estimate(told).tpot_s == simcore.estimate(newest).tpot_s
    assert simcore.estimate(asked).tpot_s > 1.2 * simcore.estimate(told).tpot_s
    assert simcore.estimate(asked).tpot_s > 1.1 * simcore.estimate(faster).tpot_s
