"""DualPipe (DeepSeek-V3 technical report, section 3.2.1): microbatches enter at both ends, each rank holds two stages.

Forward and backward passes of the two directions run into each other (PAIR), so one hides the other's exchange. The
order is that of the published code (eight phases). Bubble of equal stages: (p/2 - 1)(F&B + B - 3 W), B both gradients.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.jit import njit_with_memory as njit
from simcore.engine.training.schedules._base import BACKWARD, FORWARD, INPUT, PAIR, WEIGHT, Ints, Times

SPLITS = True


def place(ranks: int, chunks: int) -> Ints:
    """Two chains, one from each end."""
    down = list(range(ranks))
    return np.asarray([down, down[::-1]], np.int32)


def problem(ranks: int, chunks: int, microbatches: int) -> str | None:
    if chunks != 2:
        return f"dualpipe has two chunks per rank, not {chunks} (vpp = 2)"
    if ranks % 2 or microbatches % 2:
        return f"dualpipe needs even numbers of stages and microbatches, not {ranks} and {microbatches}"
    return None if microbatches >= 2 * ranks else f"dualpipe needs {2 * ranks} microbatches, not {microbatches}"


def closed_form_s(ranks: int, chunks: int, microbatches: int, times: Times) -> float | None:
    """(n - h - 2) pairs and the rest alone, h = p/2, and a bubble of (h - 1)(2 f + i - w), where f >= i >= w.

    With f = i and pairs as long as their parts the bubble is the published (p/2 - 1)(F&B + B - 3 W).
    """
    f, i, w = times.forward_s, times.input_s, times.weight_s
    if not f >= i >= w:
        return None
    half = ranks // 2
    pairs = microbatches - half - 2
    alone_s = (half + 2) * (f + i + w)
    return pairs * times.both_s + alone_s + (half - 1) * (2.0 * f + i - w)


@njit(cache=True)
def order(rank: int, ranks: int, chunks: int, microbatches: int, out: Ints) -> int:
    half_n, half = microbatches // 2, ranks // 2
    near = min(rank, ranks - 1 - rank)
    second = rank >= half
    stage = np.array([rank, ranks + ranks - 1 - rank], np.int64)
    base = np.array([stage[1 if second else 0], stage[0 if second else 1]], np.int64) * half_n
    forward, backward = np.zeros(2, np.int64), np.zeros(2, np.int64)
    waiting = np.zeros(2 * microbatches, np.int64)
    put, took, at = 0, 0, 0
    for _ in range(2 * (half - near - 1)):
        at = alone(out, at, FORWARD, base, forward, 0)
    for _ in range(near + 1):
        at = alone(out, at, FORWARD, base, forward, 0)
        at = alone(out, at, FORWARD, base, forward, 1)
    for _ in range(half - near - 1):
        waiting[put] = base[1] + backward[1]
        put += 1
        at = alone(out, at, INPUT, base, backward, 1)
        out[at, 0], out[at, 1] = WEIGHT, waiting[took]
        took += 1
        at = alone(out, at + 1, FORWARD, base, forward, 1)
    for i in range(half_n - ranks + near + 1):
        if i == 0 and near == half - 1:
            at = alone(out, at, FORWARD, base, forward, 0)
            at = alone(out, at, BACKWARD, base, backward, 1)
        else:
            at = both(out, at, base, forward, backward, 0)
        at = both(out, at, base, forward, backward, 1)
    for _ in range(half - near - 1):
        at = alone(out, at, BACKWARD, base, backward, 1)
        at = both(out, at, base, forward, backward, 1)
    split = False
    for i in range(near + 1):
        for side in (1, 0):
            if i == (near + 1) // 2 and near % 2 == side:
                split = True
            if split:
                waiting[put] = base[side] + backward[side]
                put += 1
            at = alone(out, at, INPUT if split else BACKWARD, base, backward, side)
    for _ in range(half - near - 1):
        out[at, 0], out[at, 1] = WEIGHT, waiting[took]
        took += 1
        waiting[put] = base[0] + backward[0]
        put += 1
        at = alone(out, at + 1, INPUT, base, backward, 0)
    while took < put:
        out[at, 0], out[at, 1] = WEIGHT, waiting[took]
        took += 1
        at += 1
    return at


@njit(cache=True)
def alone(out, at, kind, base, count, side):  # type: ignore[no-untyped-def]
    """One pass of one direction."""
    out[at, 0], out[at, 1] = kind, base[side] + count[side]
    count[side] += 1
    return at + 1


@njit(cache=True)
def both(out, at, base, forward, backward, side):  # type: ignore[no-untyped-def]
    """A forward pass of one direction and a backward pass of the other."""
    other = 1 - side
    out[at, 0], out[at, 1], out[at, 2] = PAIR, base[side] + forward[side], base[other] + backward[other]
    forward[side] += 1
    backward[other] += 1
    return at + 1
