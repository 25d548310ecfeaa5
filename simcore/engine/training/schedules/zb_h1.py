"""ZB-H1 (Qi et al. 2024): 1F1B whose weight gradients wait and fill the gaps, at the memory of 1F1B's first rank.

Rank r puts off r weight gradients. Bubble of equal stages: (p - 1)(f + b - w), b the input gradient's pass.
"""

from __future__ import annotations

from simcore.cost.jit import njit_with_memory as njit
from simcore.engine.training.schedules._base import FORWARD, INPUT, WEIGHT, Ints, Times, one_chain, one_chunk

SPLITS = True
place = one_chain


def problem(ranks: int, chunks: int, microbatches: int) -> str | None:
    return one_chunk("zb-h1", chunks)


def closed_form_s(ranks: int, chunks: int, microbatches: int, times: Times) -> float | None:
    """Where a weight gradient is not longer than either other pass and there are as many microbatches as ranks."""
    if times.weight_s > min(times.forward_s, times.input_s) or microbatches < ranks:
        return None
    f, b, w = times.forward_s, times.input_s, times.weight_s
    return microbatches * (f + b + w) + (ranks - 1) * (f + b - w)


@njit(cache=True)
def order(rank: int, ranks: int, chunks: int, microbatches: int, out: Ints) -> int:
    warm = min(ranks - 1 - rank, microbatches)
    at, base, done = 0, rank * microbatches, 0
    for m in range(warm):
        out[at, 0], out[at, 1] = FORWARD, base + m
        at += 1
    for m in range(microbatches):
        if warm + m < microbatches:
            out[at, 0], out[at, 1] = FORWARD, base + warm + m
            at += 1
        out[at, 0], out[at, 1] = INPUT, base + m
        at += 1
        if m >= rank:
            out[at, 0], out[at, 1] = WEIGHT, base + done
            at += 1
            done += 1
    for m in range(done, microbatches):
        out[at, 0], out[at, 1] = WEIGHT, base + m
        at += 1
    return at
