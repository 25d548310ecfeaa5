"""Compressed exchange: slices packed, sent to their owners, added up, packed, gathered; inside nodes, then across.

    2 (a1 + a2) + 2 r ((n1-1)/n1 S/B1 + (n2-1)/g S/B2) + packing

r is the share of the bytes that is left. Packing reads the tensor and writes r of it, unpacking the other way, twice
each, at the main memory's rate: where the links are fast it takes longer than it saves. The loss of accuracy is not
told.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.collectives._base import Group, Lines


def lines(at: Group, kept_ratio: float) -> Lines:
    """Of an exchange that sends so much of a 16-bit tensor."""
    packing = np.where(at.many, (1.0 + kept_ratio) / at.memory_bytes_per_s, 0.0)
    near, far = (at.inner - 1) / at.inner / at.inner_bytes_per_s, (at.outer - 1) / at.ranks / at.outer_bytes_per_s
    wait_s = np.where(at.inner > 1, at.inner_latency_s, 0.0) + np.where(at.outer > 1, at.hop_s, 0.0)
    half = wait_s, kept_ratio * (near + far) + packing
    return {
        "all_reduce": (2 * half[0], 2 * half[1]),
        "reduce_scatter": half,
        "all_gather": half,
    }
