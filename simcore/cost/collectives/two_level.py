"""Two levels: reduce-scatter inside, all-reduce of S/n1 across, all-gather inside (hierarchical)."""

from __future__ import annotations

from simcore.cost.collectives._base import Group, Lines, halves

CHOSEN = True


def LINES(at: Group) -> Lines:
    near_s, near = (at.inner - 1) * at.inner_latency_s, (at.inner - 1) / at.inner / at.inner_bytes_per_s
    far_s, far = (at.outer - 1) * at.hop_s, (at.outer - 1) / at.ranks / at.outer_bytes_per_s
    return halves((near_s + far_s, near + far))
