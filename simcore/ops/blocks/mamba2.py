"""State-space layers of Mamba-2: a state instead of a cache."""

from __future__ import annotations

import numpy as np

from simcore.ops.blocks._state import state_mixing
from simcore.ops.build import projected
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.spec.model import Mamba2, ModelSpec


def lower(model: ModelSpec, mixer: Mamba2, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections around the mixing, `count` times."""
    columns: dict[str, Column | str] = {
        "nheads": mixer.heads / plan.tp,
        "head_dim": float(mixer.head_dim),
        "n_groups": np.maximum(mixer.groups / plan.tp, 1.0),
        "d_state": float(mixer.state_size),
    }
    return projected(model, mixer, count, plan, step, state_mixing(mixer, "mamba2", count, plan, step, columns))
