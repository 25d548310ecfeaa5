"""Attention cut into equal experts of heads, some of which a token passes (Union of Experts).

    work           chosen / experts of the projections and of the pairs
    cache          keys and values of the chosen experts, on average that share of every token
    weights        all of them, read whole once a step's tokens touch every expert

Source: Union of Experts (2025), section 3. Routing is uniform; one small router chooses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from simcore.ops.blocks.attention import softmax_attention
from simcore.ops.blocks.moe import touched_experts
from simcore.ops.build import gemm, reduce_ops
from simcore.ops.op import Op, PlanColumns, StepColumns
from simcore.spec.base import Count, checked_whole
from simcore.spec.block_kinds import Matrix, Part, matrix
from simcore.spec.blocks import Attention
from simcore.spec.model import ModelSpec


class ExpertAttention(Attention):
    """`experts` groups of heads, `chosen` of them for a token."""

    kind: Literal["expert_attention"] = "expert_attention"  # type: ignore[assignment]
    experts: Count
    chosen: Count

    @checked_whole
    def _divides(self) -> ExpertAttention:
        if self.heads % self.experts or self.kv_heads % self.experts or self.chosen > self.experts:
            raise ValueError("experts must divide heads and kv_heads, and chosen must not exceed them")
        return self

    @property
    def share_ratio(self) -> float:
        """Of the experts, what a token passes."""
        return self.chosen / self.experts

    @property
    def kv_elements_per_token(self) -> float:  # type: ignore[override]
        return self.share_ratio * 2 * self.kv_heads * self.head_dim

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        """As if all were passed, and a router."""
        return (*super().matrices(hidden_size), matrix("attention_router", hidden_size, self.experts, "none"))


SPEC = ExpertAttention


def lower(model: ModelSpec, mixer: ExpertAttention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections and attention of the chosen experts, `count` times."""
    share, tokens = mixer.share_ratio, step.rank_tokens(plan.cp)
    read = touched_experts(float(mixer.experts), float(mixer.chosen), tokens) / mixer.experts
    active = Attention(
        heads=mixer.heads * mixer.chosen // mixer.experts,
        kv_heads=max(mixer.kv_heads * mixer.chosen // mixer.experts, 1),
        head_dim=mixer.head_dim,
        window_tokens=mixer.window_tokens,
    )
    ops = []
    for weights in mixer.matrices(model.hidden_size):
        if weights.name == "attention_router":
            ops.append(gemm(weights, tokens, plan, count, plan.weight_bytes))
            continue
        parts = tuple(Part(round(part.width * share), part.pieces) for part in weights.parts)
        few = (
            replace(weights, parts=parts)
            if weights.split == "column"
            else replace(weights, inputs=round(weights.inputs * share))
        )
        one = gemm(few, tokens, plan, count, plan.weight_bytes)
        ops.append(replace(one, stream_bytes=one.stream_bytes / share * read))
    return [*ops, *softmax_attention(active, count, plan, step), *reduce_ops("attention", model, count, plan, step)]
