"""Gated delta-rule linear attention: a state instead of a cache."""

from __future__ import annotations

from simcore.ops.blocks._state import state_mixing
from simcore.ops.build import projected
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.spec.model import LinearAttention, ModelSpec


def lower(model: ModelSpec, mixer: LinearAttention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections around the mixing, `count` times."""
    columns: dict[str, Column | str] = {
        "num_k_heads": mixer.key_heads / plan.tp,
        "head_k_dim": float(mixer.key_dim),
        "num_v_heads": mixer.value_heads / plan.tp,
        "head_v_dim": float(mixer.value_dim),
    }
    mixing = state_mixing(mixer, "linear_attention_gdn", count, plan, step, columns)
    return projected(model, mixer, count, plan, step, mixing)
