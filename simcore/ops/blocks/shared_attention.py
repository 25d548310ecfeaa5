"""Softmax attention over another layer's cache: its own queries, no keys and values.

    cache per token   nothing of its own
    read per query    the lender's keys and values, whole

Sources: YOCO and SambaY (one cache for all layers of the second half), cross-layer attention. Which layer lends is the
model's affair: it must have `kv_heads` of `head_dim`.
"""

from __future__ import annotations

from typing import Literal

from simcore.ops.blocks.attention import softmax_attention
from simcore.ops.build import projected
from simcore.ops.op import Op, PlanColumns, StepColumns
from simcore.spec.block_kinds import Matrix, Part
from simcore.spec.blocks import Attention
from simcore.spec.model import ModelSpec


class SharedAttention(Attention):
    """Attention without keys and values of its own."""

    kind: Literal["shared_attention"] = "shared_attention"  # type: ignore[assignment]

    @property
    def kv_elements_per_token(self) -> int:
        return 0

    @property
    def borrowed_elements_per_token(self) -> float:
        return 2.0 * self.kv_heads * self.head_dim

    @property
    def cache_pieces(self) -> int:
        return self.kv_heads

    def cache_matrix(self, hidden_size: int) -> Matrix | None:
        return None

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        width = self.heads * self.head_dim
        query = Matrix("query", hidden_size, (Part(width * (2 if self.output_gate else 1), self.heads),), "column")
        return query, Matrix("attention_out", width, (Part(hidden_size, self.heads),), "row", self.output_bias)


SPEC = SharedAttention


def lower(model: ModelSpec, mixer: SharedAttention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections around the mixing, `count` times; the write to a cache is left out."""
    mixing = [op for op in softmax_attention(mixer, count, plan, step) if op.name != "rope_kv_write"]
    return projected(model, mixer, count, plan, step, mixing)
