"""The one footprint: KV and state apart, windows capped, the stack's rules, and both engines on the same sum."""

from __future__ import annotations

import numpy as np
import pytest

import hardware_specs
import simcore
import workloads
from scenarios.build import from_names
from scenarios.memory import kv_pool
from scenarios.resolved import resolve
from simcore.cost.cache_pages import cache_pages
from simcore.cost.memory import Home, Load, activation_bytes, footprint, kv_bytes_per_sequence
from simcore.errors import InputError
from simcore.ops.op import plan_columns
from simcore.spec.model import Attention, LayerGroup, LinearAttention, Mlp, ModelSpec
from simcore.spec.plan import ParallelPlan, checkpoint_formats
from simcore.spec.stack import StackMemory

FULL = Attention(heads=8, kv_heads=2, head_dim=64)
STATE = LinearAttention(key_heads=4, value_heads=8, key_dim=64, value_dim=64, conv_width=4)


def model_of(*mixers: object) -> ModelSpec:
    layers = tuple(LayerGroup(count=2, mixer=m, ffn=(Mlp(intermediate_size=1024),)) for m in mixers)
    return ModelSpec(name="m", family="f", hidden_size=512, vocab_size=1000, layers=layers, max_context_tokens=65536)


def plan_of(**degrees: int) -> object:
    return plan_columns(ParallelPlan(**degrees), {})


@pytest.mark.parametrize("tp", [1, 2, 4, 8])
@pytest.mark.parametrize("mixers", [(FULL,), (FULL, FULL.replace(window_tokens=1024)), (FULL, STATE), (STATE,)])
def test_pages_hold_what_the_layers_hold(mixers: tuple[object, ...], tp: int) -> None:
    """At whole blocks the pages are the exact bytes, but for the state, which is rounded up to pages."""
    model, plan = model_of(*mixers), plan_of(tp=tp)
    pages = cache_pages(model, plan)
    for tokens in (0.0, 16.0, 1024.0, 4096.0):
        exact = float(kv_bytes_per_sequence(model, plan, tokens))
        held = float(pages.of(tokens) * pages.page_bytes)
        assert exact * (1 - 1e-9) <= held < exact + float(pages.page_bytes) * 1.001


def test_plain_attention_has_one_page_a_block() -> None:
    pages = cache_pages(workloads.model("llama-3.1-70b"), plan_of(tp=4))
    assert (int(pages.state_pages), int(pages.block_pages), int(pages.kept_pages), pages.span_tokens) == (0, 1, 1, 0)


def test_state_is_charged_once_a_sequence() -> None:
    hybrid, plain = model_of(FULL, STATE), model_of(FULL)
    plan, home = plan_of(), Home(8e9)
    long, short = (footprint(hybrid, plan, Load(n), home) for n in (64_000.0, 16.0))
    state = 2 * (8 * 64 * 64 * 4.0 + 3 * (2 * 4 * 64 + 8 * 64) * 2.0)
    assert float(long.state_bytes) == float(short.state_bytes) == state
    assert float(long.kv_bytes) == float(footprint(plain, plan, Load(64_000.0), home).kv_bytes) + state


def test_the_longest_prompt_does_not_size_the_activations() -> None:
    model, home = model_of(FULL), Home(80e9)
    short, long = (footprint(model, plan_of(), Load(n, step_tokens=2048.0), home) for n in (1e3, 1e6))
    assert float(short.activation_bytes) == float(long.activation_bytes)
    assert float(activation_bytes(model, plan_of(cp=4), 2048.0)) == float(short.activation_bytes) / 4


def test_rules_of_stacks() -> None:
    """card: f R - W - P - C; static: f (R - C) - W; free: f (R - C - W - P)."""
    model, plan = model_of(FULL), plan_of()
    found = {}
    for rule in ("card", "static", "free"):
        stack = StackMemory(rule=rule, fraction=0.8, context_bytes=1e9, logit_bytes=8.0, sequences=16)
        found[rule] = footprint(model, plan, Load(step_tokens=4096.0), Home(40e9, stack))
    one = found["card"]
    weights, peak = float(one.weights_bytes), float(one.activation_bytes + one.buffer_bytes)
    assert float(one.room_bytes) == pytest.approx(0.8 * 40e9 - weights - peak - 1e9)
    assert float(found["static"].room_bytes) == pytest.approx(0.8 * 39e9 - weights)
    assert float(found["free"].room_bytes) == pytest.approx(0.8 * (39e9 - weights - peak))
    for each in found.values():
        assert float(each.have_bytes - each.resident_bytes) == pytest.approx(float(each.room_bytes))


def test_sampling_may_be_the_peak() -> None:
    model, plan = model_of(FULL), plan_of()
    stack = StackMemory(logit_bytes=22.0, sequences=256, large_sequences=1024, large_bytes=70e9)
    few, many = (footprint(model, plan, Load(step_tokens=16.0), Home(r, stack)) for r in (24e9, 80e9))
    assert float(few.activation_bytes + few.buffer_bytes) == 256 * 1000 * 22.0
    assert float(many.activation_bytes + many.buffer_bytes) == 1024 * 1000 * 22.0
    asked = footprint(model, plan, Load(step_tokens=16.0, sampled=8.0), Home(80e9, stack))
    assert float(asked.activation_bytes + asked.buffer_bytes) == max(8 * 1000 * 22.0, float(asked.activation_bytes))


KNOWN = [
    ("llama-3-8b", "h100-sxm", "bf16", 0.9, 8192, 436_551, 0.03),
    ("llama-3.1-8b", "rtx-4090", "bf16", 0.9, 20_000, 31_232, 0.10),
    ("llama-3.1-70b", "h100-sxm", "int8", 0.98, 2048, 22_096, 0.10),
]
"""KV tokens that vLLM printed at start: the first in its pull request 10511, the others on cards of the same size"""


@pytest.mark.parametrize(("model", "chip", "weights", "fraction", "budget", "tokens", "error"), KNOWN)
def test_pools_that_servers_report(
    model: str, chip: str, weights: str, fraction: float, budget: int, tokens: int, error: float
) -> None:
    policy = {"memory_fraction": fraction, "token_budget": budget}
    found = simcore.estimate(model, chip, stack="vllm", weights=weights, policy=policy, input_tokens=512)
    assert found.kv_tokens == pytest.approx(tokens, rel=error)


@pytest.mark.parametrize("name", workloads.model.names())
def test_estimate_and_simulate_hold_as_many_sequences(name: str) -> None:
    """For every shipped model, on plans that fit and plans that do not."""
    model, compared = workloads.model(name), 0
    for chip, stack in (("h200-sxm", "vllm"), ("h200-sxm", "sglang"), ("b200-sxm", "trtllm"), ("rtx-4090", "vllm")):
        for tp in (1, 4, 8, 16):
            formats = checkpoint_formats(model, {"tp": tp, "ep": tp if model.is_moe and not model.experts % tp else 1})
            plan = ParallelPlan(**formats)
            if plan.problem(model):
                continue
            degrees = {k: v for k, v in formats.items() if v is not None}
            more = {"stack": stack, "input_tokens": 3000, "output_tokens": 500, **degrees}
            try:
                pool = kv_pool(resolve(from_names(name, chip, more)))
            except InputError:
                continue  # a plan that the stack does not load, or more chips than there are
            asked = simcore.estimate(name, chip, **more)
            if "max_concurrency" in asked.values:
                assert asked.max_concurrency == pool.max_concurrency(3500)
                assert asked.kv_tokens == pool.kv_tokens
                compared += asked.max_concurrency > 0
    assert compared


def test_a_chip_that_says_nothing_reports_what_it_prints() -> None:
    chip = hardware_specs.chip("npu-pim")
    tier = chip.memory[chip.main_tier]
    assert tier.reported_bytes == tier.capacity_bytes
    assert hardware_specs.chip("h100-sxm").memory["hbm"].reported_bytes == pytest.approx(79.22 * 2**30, rel=1e-4)


def test_stacks_are_read_and_unknown_ones_refused() -> None:
    assert set(hardware_specs.stack) >= {"vllm", "sglang", "trtllm", "datasheet", "roofline"}
    assert hardware_specs.stack("datasheet").memory == hardware_specs.stack("vllm").memory
    with pytest.raises(InputError):
        hardware_specs.stack("vlm")


def test_arrays_of_plans_equal_single_plans() -> None:
    model, tps = workloads.model("gpt-oss-120b"), np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    home = Home(85e9, hardware_specs.stack("vllm").memory)
    many = footprint(model, plan_columns(ParallelPlan(), {"tp": tps}), Load(8000.0), home)
    for at, tp in enumerate(tps):
        one = footprint(model, plan_of(tp=int(tp)), Load(8000.0), home)
        assert many.max_concurrency(8000.0)[at] == float(one.max_concurrency(8000.0))
        assert many.kv_tokens[at] == float(one.kv_tokens)
