"""A gated memory unit: the output of another layer's mixing, gated by this layer's input (SambaY).

cache, state      none
work              two matrices and an elementwise product, the same in prefill and decode
"""

from __future__ import annotations

from typing import Literal

from simcore.ops.build import elementwise, projected
from simcore.ops.op import Op, PlanColumns, StepColumns
from simcore.spec.base import Count
from simcore.spec.block_kinds import Matrix, MixerBlock, Part
from simcore.spec.model import ModelSpec


class GatedMemory(MixerBlock):
    """y = (m * silu(x W1)) W2, m of `memory_size` from the layer that lends its memory."""

    kind: Literal["gated_memory"] = "gated_memory"
    memory_size: Count

    @property
    def split_heads(self) -> int:
        return self.memory_size

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        gate = Matrix("memory_gate", hidden_size, (Part(self.memory_size, self.memory_size),), "column")
        return gate, Matrix("attention_out", self.memory_size, (Part(hidden_size, self.memory_size),), "row")


SPEC = GatedMemory


def lower(model: ModelSpec, mixer: GatedMemory, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Two matrices around the gate, `count` times."""
    tokens, width = step.rank_tokens(plan.cp), mixer.memory_size / plan.tp
    gate = elementwise("memory_product", count, 3.0 * tokens * width * plan.activation_bytes, 6.0 * tokens * width)
    return projected(model, mixer, count, plan, step, [gate])
