"""Two-shot: slices exchanged twice, 2 a + 2 (g-1)/g S/B; only where one switch joins all ranks."""

from __future__ import annotations

import numpy as np

from simcore.cost.collectives._base import Group, Lines, halves

CHOSEN = True


def LINES(at: Group) -> Lines:
    wait_s = np.where(at.many, np.where((at.outer > 1) | at.through_host, np.inf, at.wait_s), 0.0)
    return halves((wait_s, (at.ranks - 1) / at.ranks / at.bytes_per_s))
