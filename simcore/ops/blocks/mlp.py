"""Feed-forward blocks, gated or plain."""

from __future__ import annotations

from simcore.ops.build import elementwise, gemm, reduce_ops
from simcore.ops.op import Op, PlanColumns, StepColumns
from simcore.spec.model import Mlp, ModelSpec


def lower(model: ModelSpec, block: Mlp, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Up (gate) projection, activation, down projection, reduction."""
    up, down = block.matrices(model.hidden_size)
    width = block.intermediate_size / plan.tp
    tokens = step.rank_tokens(plan.cp)
    moved = tokens * width * plan.activation_bytes * (3.0 if block.gated else 2.0)
    return [
        gemm(up, tokens, plan, count, plan.weight_bytes),
        elementwise("activation", count, moved, 8.0 * tokens * width),
        gemm(down, tokens, plan, count, plan.weight_bytes),
        *reduce_ops("mlp", model, count, plan, step),
    ]
