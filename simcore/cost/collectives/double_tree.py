"""Double binary tree: half of the tensor up and down each of two trees whose inner ranks are the other's leaves.

2 ceil(log2 g) a + 2 S/B (Sanders, Speck and Traeff 2009; NCCL since 2.4).
"""

from __future__ import annotations

import numpy as np

from simcore.cost.collectives._base import Group, Lines

CHOSEN = True


def LINES(at: Group) -> Lines:
    return {"all_reduce": (2 * at.steps * at.wait_s, np.where(at.many, 2 / at.bytes_per_s, 0.0))}
