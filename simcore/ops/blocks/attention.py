"""Softmax attention with grouped KV heads, its span a window, an aligned chunk or everything."""

from __future__ import annotations

from simcore.ops.build import projected
from simcore.ops.cache import context_exchange, rope_and_write
from simcore.ops.grouped import Shape, attention_op, rank_heads
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.ops.spans import Span
from simcore.spec.model import Attention, ModelSpec


def lower(model: ModelSpec, mixer: Attention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections around the mixing, `count` times."""
    return projected(model, mixer, count, plan, step, softmax_attention(mixer, count, plan, step))


def softmax_attention(mixer: Attention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Rotary and KV write, prefill attention, decode attention with grouped heads; a head's sink adds no work."""
    heads, kv_heads = rank_heads(mixer, plan)
    kv_width = 2.0 * kv_heads * mixer.head_dim
    ops = [rope_and_write(count, step, heads * mixer.head_dim + kv_width, kv_width, plan)]
    if step.prefills:
        ops.append(_prefill(mixer, count, plan, step))
    if step.decodes:
        ops.append(_decode(mixer, count, plan, step))
    return ops + context_exchange((heads * mixer.head_dim, kv_width), count, plan, step)


def _window(mixer: Attention) -> Shape:
    return {"window_size": float(mixer.mean_span_tokens or 0)}


def _prefill(mixer: Attention, count: int, plan: PlanColumns, step: StepColumns) -> Op:
    """Causal attention of new tokens: 4 FLOP per head element and pair (scores and values)."""
    heads, kv_heads = rank_heads(mixer, plan)
    span, sequences = Span(mixer.window_tokens, mixer.chunk_tokens), step.prefill_sequences
    pairs = span.prefill_pairs(step.prefill_tokens, step.past_tokens)
    read = span.prefill_reads(step.prefill_tokens, step.past_tokens)
    work = (
        4.0 * sequences * heads * mixer.head_dim * pairs / plan.cp,
        sequences * read * 2.0 * kv_heads * mixer.head_dim * plan.kv_bytes,
        sequences * step.prefill_tokens / plan.cp,
    )
    shape: Shape = {"batch_size": sequences, "isl": step.prefill_tokens, "past": step.past_tokens}
    return attention_op("attention_prefill", mixer, count, plan, work, _window(mixer) | shape)


def _decode(mixer: Attention, count: int, plan: PlanColumns, step: StepColumns) -> Op:
    """One query per sequence over the cache, which cp ranks share."""
    seen = Span(mixer.window_tokens, mixer.chunk_tokens).decode_tokens(step.kv_tokens) / plan.cp
    shape: Shape = {"batch_size": step.decode_sequences, "step": step.kv_tokens / plan.cp}
    work = decode_work(mixer, plan, step, seen)
    return attention_op("attention_decode", mixer, count, plan, work, _window(mixer) | shape)


def decode_work(mixer: Attention, plan: PlanColumns, step: StepColumns, seen: Column) -> tuple[Column, Column, Column]:
    """Of one query per sequence that reads `seen` tokens."""
    heads, kv_heads = rank_heads(mixer, plan)
    sequences = step.decode_sequences
    return (
        4.0 * sequences * heads * mixer.head_dim * seen,
        sequences * seen * 2.0 * kv_heads * mixer.head_dim * plan.kv_bytes,
        sequences,
    )
