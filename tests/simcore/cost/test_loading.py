"""Plans that servers do not load: blocks of scales cut, KV heads that do not divide, prompts beyond the context."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import simcore
from cli import mount
from simcore.cost.loading import in_words, objections, refused
from simcore.errors import InputError
from simcore.ops.op import plan_columns
from simcore.spec.model import Attention, LayerGroup, Mlp, ModelSpec, Moe
from simcore.spec.plan import ParallelPlan
from simcore.spec.stack import StackLoader

STRICT = StackLoader(whole_blocks=True, whole_heads=True, within_context=True)


def model_of(kv_heads: int = 8, inner: int = 1536, experts: int = 0) -> ModelSpec:
    mixer = Attention(heads=40, kv_heads=kv_heads, head_dim=128)
    ffn = Moe(experts=experts, topk=2, intermediate_size=inner) if experts else Mlp(intermediate_size=inner)
    layers = (LayerGroup(count=2, mixer=mixer, ffn=(ffn,)),)
    return ModelSpec(name="m", family="f", hidden_size=5120, vocab_size=1000, layers=layers, max_context_tokens=4096)


def why(model: ModelSpec, weights: str, context_tokens: float = 100.0, **degrees: int) -> str | None:
    plan = plan_columns(ParallelPlan(**degrees), {})
    return in_words(objections(model, plan, (weights, weights), context_tokens), STRICT, "vllm")[0]


@pytest.mark.parametrize(
    ("model", "weights", "degrees", "words"),
    [
        (model_of(), "fp8-block", {"tp": 8}, "1536 / 8 = 192 does not hold whole blocks of 128"),
        (model_of(), "fp8-block", {"tp": 4}, None),
        (model_of(), "fp8", {"tp": 8}, None),
        (model_of(inner=1544), "fp4", {"tp": 4}, "blocks of 16"),
        (model_of(inner=1536), "int4", {"tp": 8}, "blocks of 128"),
        (model_of(inner=1544), "mxfp4", {"tp": 4}, None),
        (model_of(experts=16), "fp8-block", {"tp": 8}, "expert_"),
        (model_of(experts=16), "fp8-block", {"tp": 8, "ep": 8}, None),
        (model_of(), "bf16", {"tp": 5}, "tp = 5 and 8 KV heads"),
        (model_of(kv_heads=5), "bf16", {"tp": 5}, None),
        (model_of(kv_heads=2), "bf16", {"tp": 8}, None),
    ],
)
def test_cuts(model: ModelSpec, weights: str, degrees: dict[str, int], words: str | None) -> None:
    found = why(model, weights, **degrees)
    assert found is None if words is None else words in str(found)


def test_the_context_is_input_and_output_together() -> None:
    assert why(model_of(), "bf16", 4096.0) is None
    assert "exceed the 4,096" in str(why(model_of(), "bf16", 4097.0))


def test_lenient_stacks_get_a_note_instead() -> None:
    found = objections(model_of(), plan_columns(ParallelPlan(tp=5), {}), ("bf16", "bf16"))
    hard, notes = in_words(found, StackLoader(), "datasheet")
    assert hard is None and notes == (
        "vLLM and SGLang would refuse this: tp = 5 and 8 KV heads: neither divides the other",
    )


def test_arrays_of_plans_equal_single_plans() -> None:
    tps = np.array([1.0, 2.0, 4.0, 5.0, 8.0, 10.0])
    for weights in ("bf16", "fp8-block", "fp4"):
        many = refused(
            objections(model_of(), plan_columns(ParallelPlan(), {"tp": tps}), (weights, weights), 100.0), STRICT
        )
        assert many.tolist() == [why(model_of(), weights, tp=int(tp)) is not None for tp in tps]


@pytest.mark.parametrize("stack", ["vllm", "sglang"])
def test_estimate_refuses_and_notes(stack: str) -> None:
    from simcore.result import Unsupported

    cut = {"tp": 8, "stack": stack}
    assert isinstance(simcore.estimate("qwen3-235b-a22b-fp8", "h200-sxm", **cut).infeasible, Unsupported)
    assert not simcore.estimate("qwen3-235b-a22b-fp8", "h200-sxm", ep=8, **cut).infeasible
    assert isinstance(simcore.estimate("qwen2.5-14b", "h100-sxm", tp=5, stack=stack).infeasible, Unsupported)
    long = simcore.estimate("llama-2-7b", "h100-sxm", stack="datasheet", input_tokens=20_000)
    assert any("4,096" in note for note in long.notes) and long.as_dict()["notes"] == list(long.notes)
    assert not simcore.estimate("llama-2-7b", "h100-sxm", stack="datasheet", input_tokens=2000).notes


def test_a_sweep_marks_what_an_estimate_refuses() -> None:
    from simcore.api import evaluator, scenario
    from simcore.result import Reason

    base = scenario("qwen3-235b-a22b-fp8", "h200-sxm", stack="vllm")
    table = evaluator(["h200-sxm"])(base, {"tp": np.array([4, 8, 8]), "ep": np.array([1, 1, 8])})
    assert table["reason"].tolist() == [Reason.FEASIBLE, Reason.UNSUPPORTED, Reason.FEASIBLE]


SCENARIO = """
schema = "scenario/1"
name = "s"
[model]
name = "qwen2.5-14b"
[hardware]
system = "h100-sxm"
stack = "{stack}"
[plan]
tp = {tp}
[traffic]
input_tokens = {tokens}
output_tokens = 16
requests = 4
users = 2
"""


def test_simulate_refuses_and_notes(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(SCENARIO.format(stack="vllm", tp=5, tokens=100))
    found = CliRunner().invoke(mount(), ["simulate", str(file)])
    assert isinstance(found.exception, InputError) and "KV heads" in str(found.exception)
    file.write_text(SCENARIO.format(stack="datasheet", tp=5, tokens=40_000))
    found = CliRunner().invoke(mount(), ["simulate", str(file), "--json"])
    assert found.exit_code == 0, found.output
    assert "KV heads" in found.stdout and "4 of 4 requests exceed the 32,768 tokens" in found.stdout
