"""Slices in eight bits, a 16-bit scale for every 64: 0.516 of 16-bit bytes (EQuARX, Flash Communication, 2024-2025)."""

from __future__ import annotations

from simcore.cost.collectives._base import Group, Lines
from simcore.cost.collectives._compressed import lines

CHOSEN = False


def LINES(at: Group) -> Lines:
    return lines(at, (8.0 + 16.0 / 64.0) / 16.0)
