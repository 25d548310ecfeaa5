"""Softmax attention whose keys and values are cached in fewer channels and rebuilt, or used as they are.

    cache per token   rank_ratio x 2 x kv_heads x head_dim elements
    read per query    all of them; the last recent_tokens whole
    rebuilt           rank x width FLOP a token, or absorbed as in latent attention, 2 x heads x rank: the less. With
                      bases of one head, folded into the projections (`folded`), all runs in the fewer channels

Sources: CSKV (rebuilt), MatryoshkaKV (orthogonal bases). Wrong where ranks differ between heads: the mean is taken.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from simcore.ops.build import projected
from simcore.ops.cache import context_exchange, rope_and_write
from simcore.ops.grouped import Shape, attention_op, rank_heads
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
        """Bases, whole on every rank: of all channels together, or of each head."""
        width = self.head_dim if self.folded else self.kv_heads * self.head_dim
        return super().small_elements() + (0 if self.folded and self.rank_ratio == 1.0 else round(self.rank) * width)


SPEC = LowRankAttention


def lower(model: ModelSpec, mixer: LowRankAttention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections around the mixing, `count` times."""
    heads, kv_heads = rank_heads(mixer, plan)
    cached = mixer.rank / np.minimum(plan.tp, mixer.kv_heads)
    mixing = [rope_and_write(count, step, heads * mixer.head_dim + 2.0 * kv_heads * mixer.head_dim, cached, plan)]
    if step.prefills:
        mixing += _prefill(mixer, count, plan, step)
    if step.decodes:
        mixing.append(_decode(mixer, count, plan, step))
    mixing += context_exchange((heads * mixer.head_dim, cached), count, plan, step)
    return projected(model, mixer, count, plan, step, mixing)


def _prefill(mixer: LowRankAttention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Attention on whole keys and values; those of the past are rebuilt first."""
    heads, kv_heads = rank_heads(mixer, plan)
    kv_width = 2.0 * kv_heads * mixer.head_dim
    cached = mixer.rank / np.minimum(plan.tp, mixer.kv_heads)
    sequences, new, past = step.prefill_sequences, step.prefill_tokens, step.past_tokens
    again = sequences * past / plan.cp * mixer.rank * kv_width
    work = (
        4.0 * sequences * heads * mixer.head_dim * Span().prefill_pairs(new, past) / plan.cp,
        sequences * (new * kv_width + past * cached) * plan.kv_bytes,
        sequences * new / plan.cp,
    )
    shape: Shape = {"batch_size": sequences, "isl": new, "past": past}
    main = attention_op("attention_prefill", mixer, count, plan, work, shape)
    if mixer.folded or not np.any(np.asarray(again) > 0):
        return [main]
    times = np.where(np.asarray(again) > 0, count, 0)
    return [Op("cache_rebuild", "elementwise", "attention", times, flop=again, part="attention"), main]


def _decode(mixer: LowRankAttention, count: int, plan: PlanColumns, step: StepColumns) -> Op:
    """One query a sequence. Keys and values are rebuilt, or queries and outputs brought to the fewer channels, which
    all heads share unless they are folded: whichever is less work."""
    heads, kv_heads = rank_heads(mixer, plan)
    whole = 2.0 * kv_heads * mixer.head_dim
    cached = mixer.rank / np.minimum(plan.tp, mixer.kv_heads)
    sequences, context = step.decode_sequences, step.kv_tokens / plan.cp
    plain = 4.0 * heads * mixer.head_dim
    per_pair: Column = plain * mixer.rank_ratio
    if not mixer.folded:
        per_pair = np.minimum(plain + mixer.rank * whole, 2.0 * heads * mixer.rank)
    old = np.maximum(context - float(mixer.recent_tokens), 0.0)
    ring = mixer.recent_tokens * whole * plan.activation_bytes
    work = (
        sequences * (old * per_pair + (context - old) * plain),
        sequences * (old * cached * plan.kv_bytes + ring),
        sequences,
    )
    shape: Shape = {"batch_size": sequences, "step": old * cached / whole + mixer.recent_tokens}
    return attention_op("attention_decode", mixer, count, plan, work, shape)
