"""ZB-V (Qi et al. 2024): two chunks per rank laid out as a V, at the memory of 1F1B.

The order of every rank is that of a list scheduler with equal passes: the earliest possible backward pass, else a
forward pass while fewer than 2 p chunks are held (the second chunk first), else a waiting weight gradient.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.jit import njit_with_memory as njit
from simcore.engine.training.schedules._base import FORWARD, INPUT, WEIGHT, Ints, Times

SPLITS = True


def place(ranks: int, chunks: int) -> Ints:
    """Down the ranks and back."""
    down = list(range(ranks))
    return np.asarray([[*down, *reversed(down)]], np.int32)


def problem(ranks: int, chunks: int, microbatches: int) -> str | None:
    return None if chunks == 2 else f"zb-v has two chunks per rank, not {chunks} (vpp = 2)"


def closed_form_s(ranks: int, chunks: int, microbatches: int, times: Times) -> float | None:
    """None: the order is searched for."""
    return None


@njit(cache=True)
def order(rank: int, ranks: int, chunks: int, microbatches: int, out: Ints) -> int:
    """All ranks are scheduled together in unit steps; the rows of one of them are kept."""
    n, stages = microbatches, 2 * ranks
    here = np.full((stages, n), -1, np.int64)
    back = np.full((stages, n), -1, np.int64)
    forward, backward, weight = np.zeros(stages, np.int64), np.zeros(stages, np.int64), np.zeros(stages, np.int64)
    held = np.zeros(ranks, np.int64)
    at, now, left = 0, 0, 3 * stages * n
    while left > 0:
        for r in range(ranks):
            kind, stage = pick(r, now, ranks, n, here, back, forward, backward, weight, held)
            if kind < 0:
                continue
            left -= 1
            if kind == FORWARD:
                m = forward[stage]
                here[stage, m] = now + 1
                forward[stage] += 1
                held[r] += 1
            elif kind == INPUT:
                m = backward[stage]
                back[stage, m] = now + 1
                backward[stage] += 1
            else:
                m = weight[stage]
                weight[stage] += 1
                held[r] -= 1
            if r == rank:
                out[at, 0], out[at, 1] = kind, stage * n + m
                at += 1
        now += 1
    return at


@njit(cache=True)
def pick(r, now, ranks, n, here, back, forward, backward, weight, held):  # type: ignore[no-untyped-def]
    """(kind, stage) of what rank r does in this step; kind -1: nothing."""
    stages = 2 * ranks
    for stage in (stages - 1 - r, r):
        m = backward[stage]
        if m >= n or here[stage, m] < 0 or here[stage, m] > now:
            continue
        if stage == stages - 1 or (back[stage + 1, m] >= 0 and back[stage + 1, m] <= now):
            return INPUT, stage
    for stage in (stages - 1 - r, r):
        m = forward[stage]
        most = 2 * ranks if stage >= ranks else 2 * ranks - 1
        if m < n and held[r] < most and (stage == 0 or (here[stage - 1, m] >= 0 and here[stage - 1, m] <= now)):
            return FORWARD, stage
    for stage in (stages - 1 - r, r):
        if weight[stage] < backward[stage]:
            return WEIGHT, stage
    return -1, 0
