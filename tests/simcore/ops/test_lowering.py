"""Lowering of every kind of layer, checked against counts made query by query and against shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workloads
from simcore.cost import memory
from simcore.ops.op import Op, StepColumns
from simcore.ops.spans import Span
from simcore.ops.transformer import lower
from simcore.spec.model import Attention, LayerGroup, Mlp, ModelSpec
from simcore.testing.models import plan_of

PREFILL = StepColumns(prefill_sequences=1.0, prefill_tokens=16384.0)
DECODE = StepColumns(decode_sequences=4.0, kv_tokens=50_000.0)


def ops_of(name: str, step: StepColumns, **degrees: float) -> list[Op]:
    return lower(workloads.model(name), plan_of(**degrees), step)


def named(ops: list[Op], name: str) -> list[Op]:
    found = [op for op in ops if op.name == name]
    assert found, name
    return found


def toy(**attention: object) -> ModelSpec:
    mixer = Attention(**{"heads": 8, "kv_heads": 2, "head_dim": 64, **attention})
    layer = LayerGroup(count=4, mixer=mixer, ffn=(Mlp(intermediate_size=1024),))
    return ModelSpec(name="toy", family="toy", hidden_size=512, vocab_size=1000, layers=(layer,))


@given(st.integers(1, 600), st.integers(0, 600), st.integers(1, 400))
def test_pairs_are_the_sum_over_queries(new: int, past: int, size: int) -> None:
    """The closed forms integrate where a count sums: half a pair per query apart at most."""
    positions = past + np.arange(1, new + 1)
    counts = {
        Span(): positions,
        Span(window_tokens=size): np.minimum(positions, size),
        Span(chunk_tokens=size): (positions - 1) % size + 1,
    }
    for span, seen in counts.items():
        pairs = float(span.prefill_pairs(float(new), float(past)))
        assert abs(pairs - seen.sum()) <= 0.5 * new + 1e-6
        assert float(span.prefill_reads(float(new), float(past))) <= past + new


@given(st.floats(0, 1e6), st.floats(1, 1e6))
def test_decode_sees_at_most_its_span(context: float, size: float) -> None:
    assert Span(window_tokens=size).decode_tokens(context) == min(context, size)
    assert Span(chunk_tokens=size).decode_tokens(context) <= min(context, size / 2)
    assert Span().decode_tokens(context) == context


def test_a_window_bounds_the_work() -> None:
    """gpt-oss: sliding layers cost 128 / 16,384 of the pairs' double; sinks add none."""
    sliding, full = named(ops_of("gpt-oss-20b", PREFILL), "attention_prefill")
    tokens = 16384.0
    assert full.flop == pytest.approx(4 * 64 * 64 * tokens**2 / 2)
    assert sliding.flop == pytest.approx(4 * 64 * 64 * (128 * tokens - 128**2 / 2))
    near, far = (lower(toy(sinks=sinks), plan_of(), PREFILL) for sinks in (False, True))
    assert [op.flop for op in near] == [op.flop for op in far]


def test_chunked_attention_of_llama_4() -> None:
    """Three layers of four see half a chunk on average, every fourth one everything."""
    chunked, everything = named(ops_of("llama-4-scout", DECODE), "attention_decode")
    assert (chunked.count, everything.count) == (36, 12)
    assert chunked.stream_bytes / everything.stream_bytes == pytest.approx(4096 / 50_000)
    prefill = named(ops_of("llama-4-scout", PREFILL), "attention_prefill")
    assert prefill[0].flop / prefill[1].flop == pytest.approx(2 * (8192**2 / 2) / (16384**2 / 2))


def test_latent_decode_reads_only_the_latent() -> None:
    ops = ops_of("deepseek-v3", DECODE, tp=8.0)
    for op in named(ops, "mla_decode"):
        assert op.stream_bytes == 4 * 50_000 * (512 + 64) * 2, "one latent per token, on every tp rank"
        assert op.flop == 2 * 4 * 16 * (576 + 512) * 50_000


def test_an_indexer_bounds_what_attention_reads() -> None:
    ops = ops_of("deepseek-v3.2", DECODE)
    for op in named(ops, "mla_decode"):
        assert op.stream_bytes == 4 * 2048 * (512 + 64) * 2
    for op in named(ops, "indexer"):
        assert op.stream_bytes == 4 * 50_000 * 128 * 2
        assert op.flop == 2 * 4 * 50_000 * 64 * 128
    short, long = (StepColumns(prefill_sequences=1.0, prefill_tokens=t) for t in (1024.0, 65_536.0))
    dense_short, dense_long = (named(ops_of("deepseek-v3", s), "mla_prefill")[0].flop for s in (short, long))
    sparse_short, sparse_long = (named(ops_of("deepseek-v3.2", s), "mla_prefill")[0].flop for s in (short, long))
    assert sparse_short == dense_short
    assert sparse_long < 0.3 * dense_long


def test_a_prefill_chunk_expands_the_cached_latents_again() -> None:
    later = StepColumns(prefill_sequences=1.0, prefill_tokens=512.0, past_tokens=4096.0)
    (dense, routed) = named(ops_of("deepseek-v3", later), "kv_up_past")
    assert (dense.count, routed.count) == (3, 58)
    assert dense.flop == 2 * 4096 * 512 * 128 * 256
    assert dense.stream_bytes == 0
    assert not [op for op in ops_of("deepseek-v3", DECODE) if op.name == "kv_up_past"]


@pytest.mark.parametrize(("tp", "kv_heads"), [(1.0, 2.0), (2.0, 1.0), (8.0, 1.0)])
def test_kv_heads_are_replicated_when_tp_exceeds_them(tp: float, kv_heads: float) -> None:
    ops = lower(toy(), plan_of(tp), DECODE)
    (attention,) = named(ops, "attention_decode")
    assert attention.stream_bytes == 4 * 50_000 * 2 * kv_heads * 64 * 2
    (qkv,) = named(ops, "qkv")
    assert qkv.shape["n"] == 8 * 64 / tp + 2 * kv_heads * 64
    assert memory.kv_bytes_per_sequence(toy(), plan_of(tp), 100.0) == 4 * 100 * 2 * kv_heads * 64 * 2


def test_experts_split_by_ep_and_by_tp() -> None:
    """Both splits of 8 ranks do the same work per rank; ep touches fewer experts, each of them whole."""
    step = StepColumns(decode_sequences=64.0, kv_tokens=100.0)
    (by_ep,), (by_tp,), (one,) = (
        named(ops_of("qwen3-30b-a3b", step, **d), "experts") for d in ({"tp": 4.0, "ep": 4.0}, {"tp": 4.0}, {})
    )
    assert by_ep.flop == by_tp.flop == one.flop / 4
    assert by_ep.shape["moe_tp_size"] == 1.0 and by_tp.shape["moe_tp_size"] == 4.0
    assert by_ep.stream_bytes == by_tp.stream_bytes == one.stream_bytes / 4
    assert one.flop == 2 * 64 * 8 * 3 * 2048 * 768


def test_shared_experts_see_every_token() -> None:
    step = StepColumns(decode_sequences=64.0, kv_tokens=100.0)
    up = [op for op in named(ops_of("deepseek-v3", step), "mlp_up") if op.count == 58]
    assert [op.flop for op in up] == [2 * 64 * 7168 * 2 * 2048]


def test_attention_data_parallel_ranks_exchange_tokens() -> None:
    step = StepColumns(decode_sequences=64.0, kv_tokens=100.0)
    spread = ops_of("deepseek-v3", step, attention_dp=32.0, ep=32.0)
    (dispatch,) = named(spread, "all_to_all_dispatch")
    copies = 32 * (1 - (1 - 1 / 32) ** 8)
    assert dispatch.shape["message_bytes"] == pytest.approx(64 * 7168 * 2 * copies)
    whole = ops_of("deepseek-v3", step, attention_dp=4.0)
    (gathered,) = named(whole, "all_to_all_dispatch")
    assert gathered.shape["message_bytes"] == pytest.approx(64 * 7168 * 2 * 4), "expert slices need every token"


def test_context_parallel_ranks_share_a_prefill() -> None:
    alone, shared = (ops_of("llama-3.1-70b", PREFILL, cp=cp) for cp in (1.0, 4.0))
    for name in ("qkv", "mlp_up", "mlp_down", "attention_prefill"):
        assert named(shared, name)[0].flop == pytest.approx(named(alone, name)[0].flop / 4)
    (gather,) = named(shared, "all_gather_context")
    assert gather.shape["message_bytes"] == 16384 * 2 * 8 * 128 * 2
    (reduce,) = named(ops_of("llama-3.1-70b", DECODE, cp=4.0), "all_reduce_context")
    assert reduce.shape["message_bytes"] == 4 * 64 * 128 * 2


def test_state_layers_do_not_grow_with_context() -> None:
    near, far = (
        named(ops_of("nemotron-3-nano-30b-a3b", StepColumns(decode_sequences=4.0, kv_tokens=t)), "state_mixing")[0]
        for t in (100.0, 100_000.0)
    )
    assert near.stream_bytes == far.stream_bytes
    assert near.stream_bytes == pytest.approx(2 * 4 * (64 * 64 * 128 * 4 + 3 * (4096 + 2 * 8 * 128) * 2))


def test_a_mixed_step_is_both_halves() -> None:
    prefill = StepColumns(prefill_sequences=1.0, prefill_tokens=512.0)
    decode = StepColumns(decode_sequences=8.0, kv_tokens=2000.0)
    both = StepColumns(prefill_sequences=1.0, prefill_tokens=512.0, decode_sequences=8.0, kv_tokens=2000.0)
    for name in ("llama-3.1-8b", "gpt-oss-20b", "deepseek-v3.2", "qwen3.5-27b"):
        flop = [sum(float(np.max(op.count * op.flop)) for op in ops_of(name, s)) for s in (prefill, decode, both)]
        assert flop[2] == pytest.approx(flop[0] + flop[1], rel=1e-9)


def test_plans_are_arrays() -> None:
    """Many plans at once give what each gives alone."""
    degrees = np.array([1.0, 2.0, 4.0, 8.0])
    step = StepColumns(decode_sequences=degrees * 4, kv_tokens=1000.0)
    for name in ("llama-3.1-70b", "qwen3-30b-a3b", "deepseek-v3.2", "llama-4-scout"):
        together = [op for op in ops_of(name, step, tp=degrees) if op.role != "none"]
        for row, tp in enumerate(degrees):
            alone = StepColumns(decode_sequences=tp * 4, kv_tokens=1000.0)
            single = [op for op in ops_of(name, alone, tp=tp) if op.role != "none"]
            for many, one in zip(together, single, strict=True):
                values = np.broadcast_to(np.asarray(many.flop, float), (4,))
                assert values[row] == pytest.approx(float(np.max(one.flop)), rel=1e-12), (name, many.name)
