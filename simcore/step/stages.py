"""How evenly a pipeline's stages hold a model's layers."""

from __future__ import annotations

import numpy as np

from simcore.ops.op import Column, PlanColumns
from simcore.spec.model import ModelSpec


def stage_imbalance(model: ModelSpec, plan: PlanColumns) -> Column:
    """pp ceil(L / pp) / L: 1 where pp divides the layers."""
    return plan.pp * np.ceil(model.layer_count / plan.pp) / model.layer_count
