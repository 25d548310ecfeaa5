"""Gated linear attention: a matrix per head as state, forgotten by a gate per key channel.

    state per sequence   heads x key_dim x value_dim, in fp32
    prefill, training    chunks of 64 tokens as matrix products

Source: Yang et al., Gated Linear Attention Transformers with Hardware-Efficient Training (2023), section 4. RWKV-6 and
RetNet are the same with other gates. A recurrent unit without heads has key_dim 1.
"""

from __future__ import annotations

from typing import Literal

from simcore.ops.blocks._state import state_mixing
from simcore.ops.build import projected
from simcore.ops.op import Op, PlanColumns, StepColumns
from simcore.spec.base import Count, Whole
from simcore.spec.block_kinds import Matrix, MixerBlock, Part
from simcore.spec.model import ModelSpec


class GatedLinearAttention(MixerBlock):
    """Queries, keys, values, an output gate, and a low-rank gate on the state."""

    kind: Literal["gla"] = "gla"
    heads: Count
    key_dim: Count
    value_dim: Count
    gate_rank: Whole = 16
    """of the state's gate; 0: a gate as wide as the keys, from one matrix"""

    @property
    def split_heads(self) -> int:
        return self.heads

    @property
    def inner_size(self) -> int:
        return self.heads * self.value_dim

    @property
    def state_elements(self) -> int:
        return self.heads * self.key_dim * self.value_dim

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        keys, values = self.heads * self.key_dim, self.inner_size
        found = [Matrix("qkvg", hidden_size, (Part(2 * keys + 2 * values, self.heads),), "column")]
        if self.gate_rank:
            found.append(Matrix("gate_down", hidden_size, (Part(self.gate_rank, 1),), "none"))
        found.append(Matrix("gate_up", self.gate_rank or hidden_size, (Part(keys, self.heads),), "column"))
        return (*found, Matrix("attention_out", values, (Part(hidden_size, self.heads),), "row"))

    def small_elements(self) -> int:
        return self.heads * self.key_dim + self.inner_size


SPEC = GatedLinearAttention


def lower(model: ModelSpec, mixer: GatedLinearAttention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections around the chunked recurrence, `count` times."""
    return projected(model, mixer, count, plan, step, state_mixing(mixer, "elementwise", count, plan, step, {}))
