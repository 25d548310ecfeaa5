"""In the network: switches add up, so that a rank sends the tensor once and gets the sum once (SHARP, NVLink SHARP).

2 a + S/B for an all-reduce, each link busy in both directions at once; half of it each for its halves (Graham et al.
2016). Wrong for tensors larger than the switches' buffers can stream.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.collectives._base import Group, Lines

CHOSEN = False


def LINES(at: Group) -> Lines:
    wait_s, slope = np.where(at.many, at.wait_s, 0.0), np.where(at.many, 1.0 / at.bytes_per_s, 0.0)
    share = (at.ranks - 1) / at.ranks
    half = wait_s, share * slope
    return {"all_reduce": (2 * wait_s, slope), "reduce_scatter": half, "all_gather": half}
