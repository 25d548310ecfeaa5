"""Star: one rank gathers all tensors, adds them up and sends the sum back over its one link.

2 a + 2 (g-1) S/B, for links whose latency is all that counts (TPI-LLM, Li et al. 2024).
"""

from __future__ import annotations

import numpy as np

from simcore.cost.collectives._base import Group, Lines

CHOSEN = False


def LINES(at: Group) -> Lines:
    return {"all_reduce": (np.where(at.many, 2 * at.wait_s, 0.0), 2 * (at.ranks - 1) / at.bytes_per_s)}
