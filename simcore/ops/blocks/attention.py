"""Softmax attention with grouped KV heads, its span a window, an aligned chunk or everything."""

from __future__ import annotations

import numpy as np

from simcore.ops.build import projected
from simcore.ops.cache import context_exchange, rope_and_write
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.ops.spans import Span
from simcore.spec.model import Attention, ModelSpec


def lower(model: ModelSpec, mixer: Attention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections around the mixing, `count` times."""
    return projected(model, mixer, count, plan, step, softmax_attention(mixer, count, plan, step))


def softmax_attention(mixer: Attention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Rotary and KV write, prefill attention, decode attention with grouped heads; a head's sink adds no work."""
    heads, kv_heads = mixer.heads / plan.tp, np.maximum(mixer.kv_heads / plan.tp, 1.0)
    kv_width = 2.0 * kv_heads * mixer.head_dim
    ops = [rope_and_write(count, step, heads * mixer.head_dim + kv_width, kv_width, plan)]
    shape: dict[str, Column | str] = {
        "num_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": float(mixer.head_dim),
        "window_size": float(mixer.mean_span_tokens or 0),
    }
    if step.prefills:
        ops.append(_prefill(mixer, count, plan, step, shape))
    if step.decodes:
        ops.append(_decode(mixer, count, plan, step, shape))
    return ops + context_exchange((heads * mixer.head_dim, kv_width), count, plan, step)


def _prefill(mixer: Attention, count: int, plan: PlanColumns, step: StepColumns, shape: dict[str, Column | str]) -> Op:
    """Causal attention of new tokens: 4 FLOP per head element and pair (scores and values)."""
    heads, kv_heads, sequences = shape["num_heads"], shape["num_key_value_heads"], step.prefill_sequences
    assert not isinstance(heads, str) and not isinstance(kv_heads, str)
    span = Span(mixer.window_tokens, mixer.chunk_tokens)
    pairs = span.prefill_pairs(step.prefill_tokens, step.past_tokens)
    read = span.prefill_reads(step.prefill_tokens, step.past_tokens)
    rows = sequences * step.prefill_tokens / plan.cp
    return Op(
        "attention_prefill",
        "attention_prefill",
        "attention",
        count,
        flop=4.0 * sequences * heads * mixer.head_dim * pairs / plan.cp,
        stream_bytes=sequences * read * 2.0 * kv_heads * mixer.head_dim * plan.kv_bytes,
        cache_bytes=2.0 * rows * heads * mixer.head_dim * plan.activation_bytes,
        shape={**shape, "batch_size": sequences, "isl": step.prefill_tokens, "past": step.past_tokens},
    )


def _decode(mixer: Attention, count: int, plan: PlanColumns, step: StepColumns, shape: dict[str, Column | str]) -> Op:
    """One query per sequence over the cache, which cp ranks share."""
    heads, kv_heads, sequences = shape["num_heads"], shape["num_key_value_heads"], step.decode_sequences
    assert not isinstance(heads, str) and not isinstance(kv_heads, str)
    seen = Span(mixer.window_tokens, mixer.chunk_tokens).decode_tokens(step.kv_tokens) / plan.cp
    return Op(
        "attention_decode",
        "attention_decode",
        "attention",
        count,
        flop=4.0 * sequences * heads * mixer.head_dim * seen,
        stream_bytes=sequences * seen * 2.0 * kv_heads * mixer.head_dim * plan.kv_bytes,
        cache_bytes=2.0 * sequences * heads * mixer.head_dim * plan.activation_bytes,
        shape={**shape, "batch_size": sequences, "step": step.kv_tokens / plan.cp},
    )
