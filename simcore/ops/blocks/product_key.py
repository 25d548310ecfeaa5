"""A memory layer read by product keys: two short lists of keys choose among their products' values.

    read per token     two lists of sqrt(values) keys, and topk values per head
    held               all values, in the experts' format

Source: Lample et al. (2019); UltraMem and UltraMemV2 read values of `value_dim` and project them once.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import Literal

import numpy as np

from simcore.ops.blocks.moe import touched_experts
from simcore.ops.build import elementwise, gemm, reduce_ops
from simcore.ops.op import Op, PlanColumns, StepColumns
from simcore.spec.base import Count
from simcore.spec.block_kinds import Domain, FeedForward, Matrix, Part, matrix
from simcore.spec.model import ModelSpec


class ProductKey(FeedForward):
    """`heads` queries choose topk of `values` vectors each; their weighted sum is projected back."""

    kind: Literal["product_key"] = "product_key"
    values: Count
    topk: Count
    heads: Count = 1
    key_dim: Count
    value_dim: Count

    @property
    def keys(self) -> int:
        """Of one of the two lists."""
        return isqrt(self.values)

    def cut(self, hidden_size: int) -> tuple[Matrix, ...]:
        query = Matrix("memory_query", hidden_size, (Part(self.heads * self.key_dim, self.heads),), "column")
        back = Matrix("memory_out", self.value_dim, (Part(hidden_size, self.value_dim),), "row")
        return query, back

    def routed(self, hidden_size: int) -> tuple[Matrix, ...]:
        """The table of values: one row each."""
        return (matrix("memory_values", 1, self.value_dim, "none", copies=self.values),)

    def whole_elements(self, hidden_size: int) -> int:
        return self.heads * self.keys * self.key_dim

    @property
    def routed_experts(self) -> int:
        return self.values

    @property
    def chosen_experts(self) -> int:
        return self.topk * self.heads

    def token_matrices(self, hidden_size: int) -> list[Matrix]:
        return [*self.cut(hidden_size), matrix("memory_keys", self.key_dim, self.heads * self.keys, "none")]

    def parameters(self, hidden_size: int) -> Iterator[tuple[Domain, int]]:
        yield "routed", self.values * self.value_dim
        yield "dense", sum(m.elements for m in self.cut(hidden_size)) + self.whole_elements(hidden_size)


SPEC = ProductKey


def lower(model: ModelSpec, block: ProductKey, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Query, scores of both lists, the values of the best products, projection, `count` times."""
    tokens = step.rank_tokens(plan.cp)
    query, back = block.cut(model.hidden_size)
    keys = matrix("memory_keys", block.key_dim, block.heads * block.keys, "none")
    picks = tokens * block.chosen_experts
    spread = plan.ep * plan.moe_tp
    rows = touched_experts(float(block.values), float(block.chosen_experts), tokens) / spread
    reads = Op(
        "memory_values",
        "elementwise",
        "vector",
        count,
        flop=2.0 * picks * block.value_dim / spread,
        stream_bytes=rows * block.value_dim * plan.expert_bytes,
        cache_bytes=tokens * block.value_dim * 4.0,
        kernels=2,
    )
    best = elementwise("memory_choice", count, np.asarray(tokens) * block.heads * block.keys * 8.0, kernels=2)
    return [
        gemm(query, tokens, plan, count, plan.weight_bytes),
        gemm(keys, tokens, plan, count, 2.0),
        best,
        reads,
        gemm(back, tokens, plan, count, plan.weight_bytes),
        *reduce_ops("memory", model, count, plan, step),
    ]
