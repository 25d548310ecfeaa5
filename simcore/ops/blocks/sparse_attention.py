"""Softmax attention over a part of what was said: tokens dropped for good, or kept and read by choice.

    cache per token   kept_ratio of a token, and at most budget_tokens of them
    read per query    the best read_tokens of the kept, found by summaries of blocks
    prefill           each query sees at most prefill_tokens of those before it, found the same way

Sources: Quest and InfLLM for reading by block, MInference for patterns in prefill, H2O and Locret for budgets. Wrong
where the choice differs between the heads of one group: their union is read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from simcore.ops.blocks.attention import decode_work
from simcore.ops.build import projected
from simcore.ops.cache import context_exchange, rope_and_write
from simcore.ops.grouped import Shape, attention_op, rank_heads
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.ops.spans import Span
from simcore.spec.base import Count, Portion, Whole
from simcore.spec.blocks import Attention
from simcore.spec.model import ModelSpec


class SparseAttention(Attention):
    """Attention that keeps or reads a part of its cache."""

    kind: Literal["sparse_attention"] = "sparse_attention"  # type: ignore[assignment]
    kept_ratio: Portion = 1.0
    """of the tokens, those whose keys and values stay"""
    budget_tokens: Count | None = None
    """the most that stay, however long the sequence"""
    read_tokens: Count | None = None
    """of those that stay, how many a query reads; None: all"""
    block_tokens: Count = 64
    """of a block with one summary"""
    summary_vectors: Whole = 1
    """of head_dim per block and KV head (mean; or minimum and maximum); 0: the choice costs nothing"""
    prefill_tokens: Count | None = None
    """most that a query of a prefill sees; None: everything before it"""

    @property
    def kept_tokens(self) -> int | None:
        return self.budget_tokens or self.span_tokens

    @property
    def kv_elements_per_token(self) -> float:  # type: ignore[override]
        return self.kept_ratio * 2 * self.kv_heads * self.head_dim


SPEC = SparseAttention


def lower(model: ModelSpec, mixer: SparseAttention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections around the mixing, `count` times."""
    heads, kv_heads = rank_heads(mixer, plan)
    kv_width = 2.0 * kv_heads * mixer.head_dim
    mixing = [rope_and_write(count, step, heads * mixer.head_dim + kv_width, kv_width, plan)]
    if step.prefills:
        mixing += _prefill(mixer, count, plan, step)
    if step.decodes:
        mixing += _decode(mixer, count, plan, step)
    mixing += context_exchange((heads * mixer.head_dim, kv_width), count, plan, step)
    return projected(model, mixer, count, plan, step, mixing)


def stays(mixer: SparseAttention, context: Column) -> Column:
    """Tokens whose keys and values are there after so many."""
    kept = context * mixer.kept_ratio
    most = mixer.kept_tokens
    return kept if most is None else np.minimum(kept, most)


def read(mixer: SparseAttention, context: Column) -> Column:
    """Tokens that one query of a decode step reads."""
    kept = stays(mixer, context)
    return kept if mixer.read_tokens is None else np.minimum(kept, mixer.read_tokens)


def _decode(mixer: SparseAttention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    heads, kv_heads = rank_heads(mixer, plan)
    sequences, seen = step.decode_sequences, read(mixer, step.kv_tokens) / plan.cp
    shape: Shape = {"batch_size": sequences, "step": seen}
    main = attention_op("attention_decode", mixer, count, plan, decode_work(mixer, plan, step, seen), shape)
    if mixer.read_tokens is None or not mixer.summary_vectors:
        return [main]
    blocks = sequences * stays(mixer, step.kv_tokens) / plan.cp / mixer.block_tokens * mixer.summary_vectors
    return [_choice(mixer, count, blocks * heads, blocks * kv_heads, plan), main]


def _choice(mixer: SparseAttention, count: int, scores: Column, vectors: Column, plan: PlanColumns) -> Op:
    """Scores of the blocks' summaries, and the best of them."""
    return Op(
        "choice",
        "elementwise",
        "attention",
        count,
        flop=2.0 * scores * mixer.head_dim,
        stream_bytes=vectors * mixer.head_dim * plan.kv_bytes,
        cache_bytes=scores * 8.0,
        kernels=2,
        part="attention",
    )


def _prefill(mixer: SparseAttention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Attention of new tokens over what is there and chosen; the last block of queries scores everything first."""
    heads, kv_heads = rank_heads(mixer, plan)
    sequences, new, past = step.prefill_sequences, step.prefill_tokens, step.past_tokens
    most = mixer.prefill_tokens or mixer.kept_tokens
    span = Span(None if most is None else float(most))
    pairs = span.prefill_pairs(new, past)
    work = (
        4.0 * sequences * heads * mixer.head_dim * pairs / plan.cp,
        sequences * (new + stays(mixer, past)) * 2.0 * kv_heads * mixer.head_dim * plan.kv_bytes,
        sequences * new / plan.cp,
    )
    shape: Shape = {"window_size": float(most or 0), "batch_size": sequences, "isl": new, "past": past}
    main = attention_op("attention_prefill", mixer, count, plan, work, shape)
    if mixer.prefill_tokens is None or not mixer.summary_vectors:
        return [main]
    scores = sequences * heads * np.minimum(new, float(mixer.block_tokens)) * (past + new) / plan.cp
    vectors = sequences * kv_heads * (past + new) / plan.cp
    return [replace(_choice(mixer, count, scores, vectors, plan), name="prefill_choice"), main]
