"""Pairwise all-to-all: every rank sends to every other; what stays inside travels beside what leaves."""

from __future__ import annotations

import numpy as np

from simcore.cost.collectives._base import Group, Lines

CHOSEN = True


def LINES(at: Group) -> Lines:
    inside = (at.inner - 1) / at.ranks / at.inner_bytes_per_s
    beyond = (at.ranks - at.inner) / at.ranks / at.outer_bytes_per_s
    wait_s = np.where(at.many, at.inner_latency_s + at.outer_latency_s, 0.0)
    return {"all_to_all": (wait_s, np.maximum(inside, beyond))}
