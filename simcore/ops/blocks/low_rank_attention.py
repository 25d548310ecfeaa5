"""Softmax attention whose keys and values are cached in fewer channels and rebuilt, or used as they are.

    cache per token   rank_ratio x 2 x kv_heads x head_dim elements
    read per query    all of them; the last recent_tokens whole
    rebuilt           2 x rank x width FLOP a token and key or value, unless the bases are orthogonal and folded into
                      the projections (`folded`), when scores and sums run in the fewer channels

Sources: CSKV (rebuilt), MatryoshkaKV (orthogonal bases). Wrong where ranks differ between heads: the mean is taken.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from simcore.ops.build import projected
from simcore.ops.cache import context_exchange, rope_and_write
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.ops.spans import Span
from simcore.spec.base import Portion, Whole
from simcore.spec.block_kinds import Matrix, Part
from simcore.spec.blocks import Attention
from simcore.spec.model import ModelSpec


class LowRankAttention(Attention):
    """Attention over a cache with fewer channels."""

    kind: Literal["low_rank_attention"] = "low_rank_attention"  # type: ignore[assignment]
    rank_ratio: Portion
    """of the channels of keys and values, those that are cached"""
    recent_tokens: Whole = 0
    """the last so many are cached whole besides"""
    folded: bool = False
    """no rebuilding: the bases are folded into the projections"""

    @property
    def rank(self) -> float:
        """Elements of a cached token, keys and values together."""
        return self.rank_ratio * 2.0 * self.kv_heads * self.head_dim

    @property
    def kv_elements_per_token(self) -> float:  # type: ignore[override]
        return self.rank

    @property
    def conv_elements(self) -> int:
        """The whole recent tokens, in the activations' format."""
        return self.recent_tokens * 2 * self.kv_heads * self.head_dim

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        if self.folded:
            return super().matrices(hidden_size)
        down = Matrix("cache_down", hidden_size, (Part(round(self.rank), self.kv_heads),), "column")
        return (*super().matrices(hidden_size), down)

    def small_elements(self) -> int:
        """Bases, whole on every rank."""
        return super().small_elements() + round(self.rank) * self.head_dim


SPEC = LowRankAttention


def lower(model: ModelSpec, mixer: LowRankAttention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections around the mixing, `count` times."""
    heads, kv_heads = mixer.heads / plan.tp, np.maximum(mixer.kv_heads / plan.tp, 1.0)
    cached = mixer.rank / np.minimum(plan.tp, mixer.kv_heads)
    mixing = [rope_and_write(count, step, heads * mixer.head_dim + 2.0 * kv_heads * mixer.head_dim, cached, plan)]
    if step.prefills:
        mixing.append(_op(mixer, count, plan, step, "prefill"))
    if step.decodes:
        mixing.append(_op(mixer, count, plan, step, "decode"))
    mixing += context_exchange((heads * mixer.head_dim, cached), count, plan, step)
    return projected(model, mixer, count, plan, step, mixing)


def _op(mixer: LowRankAttention, count: int, plan: PlanColumns, step: StepColumns, phase: str) -> Op:
    """One query a sequence, or a prompt over itself and what is cached."""
    heads, kv_heads = mixer.heads / plan.tp, np.maximum(mixer.kv_heads / plan.tp, 1.0)
    cached = mixer.rank / np.minimum(plan.tp, mixer.kv_heads)
    if phase == "decode":
        sequences, rows = step.decode_sequences, step.decode_sequences
        context: Column = step.kv_tokens / plan.cp
        pairs, rebuilt = context, context
        whole: Column = np.minimum(context, float(mixer.recent_tokens))
        ring = mixer.recent_tokens * 2.0 * kv_heads * mixer.head_dim * plan.activation_bytes
    else:
        sequences, rows = step.prefill_sequences, step.prefill_sequences * step.prefill_tokens / plan.cp
        context = step.past_tokens / plan.cp
        pairs = Span().prefill_pairs(step.prefill_tokens, step.past_tokens) / plan.cp
        rebuilt, whole, ring = context, 0.0, 0.0
    width = mixer.head_dim * (mixer.rank_ratio if mixer.folded and phase == "decode" else 1.0)
    again = 0.0 if mixer.folded else 2.0 * cached * mixer.head_dim
    fresh = step.prefill_tokens * 2.0 * kv_heads * mixer.head_dim if phase == "prefill" else 0.0
    seen = (context - whole) * cached
    return Op(
        f"attention_{phase}_low_rank",
        "elementwise",
        "attention",
        count,
        flop=sequences * (4.0 * heads * width * pairs + again * rebuilt),
        stream_bytes=sequences * ((seen + fresh) * plan.kv_bytes + ring),
        cache_bytes=2.0 * rows * heads * mixer.head_dim * plan.activation_bytes,
        part="attention",
    )
