"""Chains inside nodes and a tree across them: 2 ((n1-1) a1 + ceil(log2 n2) a2) + 2 S/B (NCCL's tree)."""

from __future__ import annotations

import numpy as np

from simcore.cost.collectives._base import Group, Lines

CHOSEN = True


def LINES(at: Group) -> Lines:
    across = (at.inner - 1) * at.inner_latency_s + np.ceil(np.log2(np.maximum(at.outer, 1.0))) * at.hop_s
    return {
        "all_reduce": (np.where(at.crosses, 2 * across, np.inf), np.where(at.many, 2 / at.bytes_per_s, 0.0)),
    }
