"""Kinds of mixers beyond the plain ones: their contract, their limits, and both engines' agreement about them."""

from __future__ import annotations

from typing import Any

import pytest

import simcore
from planners.engines import engines
from simcore.ops.op import StepColumns
from simcore.ops.transformer import lower
from simcore.spec.model import LayerGroup, ModelSpec
from simcore.testing.blocks import check_block
from simcore.testing.models import plan_of

HEADS = {"heads": 8, "kv_heads": 8, "head_dim": 128}
MIXERS: dict[str, dict[str, Any]] = {
    "kept": {"kind": "sparse_attention", **HEADS, "kept_ratio": 0.25},
    "budget": {"kind": "sparse_attention", **HEADS, "budget_tokens": 512},
    "retrieval": {"kind": "sparse_attention", **HEADS, "read_tokens": 512, "prefill_tokens": 1024},
    "rebuilt": {"kind": "low_rank_attention", **HEADS, "rank_ratio": 0.25, "recent_tokens": 32},
    "folded": {"kind": "low_rank_attention", **HEADS, "rank_ratio": 0.5, "folded": True},
    "shared": {"kind": "shared_attention", **HEADS},
    "memory": {"kind": "gated_memory", "memory_size": 2048},
    "mamba1": {"kind": "mamba1", "inner_size": 2048, "state_size": 16, "step_rank": 64},
    "gla": {"kind": "gla", "heads": 4, "key_dim": 128, "value_dim": 256},
    "long": {"kind": "long_conv", "channels": 1024, "filter_tokens": 8192},
    "flash": {"kind": "long_conv", "channels": 1024, "filter_tokens": 8192, "kernel": "matrix"},
    "chosen": {"kind": "expert_attention", **HEADS, "experts": 4, "chosen": 2},
}
MEMORY = {"kind": "product_key", "values": 65536, "topk": 16, "heads": 2, "key_dim": 128, "value_dim": 256}
KINDS = {block["kind"].replace("_", "-") for block in (*MIXERS.values(), MEMORY)}
PREFILL, DECODE = StepColumns(1.0, 8192.0), StepColumns(decode_sequences=4.0, kv_tokens=8192.0)


def model(mixer: dict[str, Any], **layer: Any) -> ModelSpec:
    group = LayerGroup.model_validate(
        {"count": 4, "mixer": mixer, "ffn": [{"kind": "mlp", "intermediate_size": 2816}], **layer}
    )
    return ModelSpec(name="toy", family="toy", hidden_size=1024, vocab_size=1000, layers=(group,))


def work(spec: ModelSpec, step: StepColumns) -> tuple[float, float]:
    """(FLOP, bytes from main memory)."""
    ops = lower(spec, plan_of(), step)
    return sum(float(o.count * o.flop) for o in ops), sum(float(o.count * o.stream_bytes) for o in ops)


@pytest.mark.parametrize("name", [n for n in MIXERS if n not in ("chosen",)])
def test_what_it_says_is_what_it_does(name: str) -> None:
    check_block(model(MIXERS[name]).layers[0].mixer)


def test_a_product_key_memory_is_read_in_part() -> None:
    layer = LayerGroup.model_validate({"count": 1, "ffn": [MEMORY]})
    check_block(layer.ffn[0])


def test_placebo() -> None:
    """With nothing dropped, nothing chosen and every channel kept, the variants are plain attention."""
    plain = model({"kind": "attention", **HEADS})
    same = [
        {"kind": "sparse_attention", **HEADS},
        {"kind": "low_rank_attention", **HEADS, "rank_ratio": 1.0, "folded": True},
    ]
    for mixer in same:
        for step in (PREFILL, DECODE):
            assert work(model(mixer), step) == pytest.approx(work(plain, step), rel=1e-12), mixer


def test_less_kept_is_less_read() -> None:
    plain = work(model({"kind": "attention", **HEADS}), DECODE)
    for name in ("kept", "budget", "retrieval", "folded", "chosen"):
        assert work(model(MIXERS[name]), DECODE)[1] < plain[1], name
    for key, (low, high) in {"kept_ratio": (0.1, 0.9), "budget_tokens": (64, 4096), "read_tokens": (64, 4096)}.items():
        few, many = (work(model({"kind": "sparse_attention", **HEADS, key: value}), DECODE)[1] for value in (low, high))
        assert few < many, key
    sparse, full = (work(model(MIXERS[name]), PREFILL)[0] for name in ("retrieval", "shared"))
    assert sparse < full


def test_layers_that_only_fill_their_cache_in_prefill() -> None:
    """SwiftKV: the second half of the layers does its key and value projections, nothing else."""
    mixer = {"kind": "attention", "heads": 8, "kv_heads": 2, "head_dim": 128}
    whole, cached, last = (model(mixer, prefill=how) for how in ("all", "cache", "last"))
    flop = [work(spec, PREFILL)[0] for spec in (last, cached, whole)]
    assert flop == sorted(flop) and flop[1] < 0.15 * flop[2]
    assert len({work(spec, DECODE) for spec in (whole, cached, last)}) == 1, "a decode step passes every layer"


@pytest.mark.parametrize("name", MIXERS)
def test_alone_the_engines_say_the_same(name: str) -> None:
    layers = [
        {"count": 60, "mixer": MIXERS[name], "ffn": [{"kind": "mlp", "intermediate_size": 2816}], "prefill": "all"}
    ]
    table = {
        "schema": "model/1",
        "name": name,
        "family": "toy",
        "hidden_size": 1024,
        "vocab_size": 1000,
        "layers": layers,
    }
    traffic = {"batch": 1, "input_tokens": 3000, "output_tokens": 60, "requests": 4}
    question = simcore.scenario(table, "dgx-h100", stack="datasheet", tp=2, traffic=traffic)
    estimated, simulated = engines("analytic")(question), simcore.simulate(question).flat
    assert estimated["feasible"] is simulated["feasible"] is True
    assert simulated["tpot_mean_s"] == pytest.approx(estimated["tpot_mean_s"], rel=0.02)
    assert simulated["ttft_mean_s"] == pytest.approx(estimated["ttft_mean_s"], rel=0.02)
