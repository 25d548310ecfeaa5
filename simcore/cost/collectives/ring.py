"""Ring: every rank passes slices to its neighbour, (g-1) a + (g-1)/g S/B each way (Patarasuk and Yuan 2009)."""

from __future__ import annotations

from simcore.cost.collectives._base import Group, Lines, halves

CHOSEN = True


def LINES(at: Group) -> Lines:
    g = at.ranks
    return halves(((g - 1) * at.wait_s, (g - 1) / g / at.bytes_per_s))
