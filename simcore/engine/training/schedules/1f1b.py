"""One forward, one backward (PipeDream-flush; Narayanan et al. 2021): rank r holds at most p - r microbatches."""

from __future__ import annotations

from simcore.cost.jit import njit_with_memory as njit
from simcore.engine.training.schedules._base import BACKWARD, FORWARD, Ints, full_pipeline_s, one_chain, one_chunk

SPLITS = False
place = one_chain
closed_form_s = full_pipeline_s


def problem(ranks: int, chunks: int, microbatches: int) -> str | None:
    return one_chunk("1f1b", chunks)


@njit(cache=True)
def order(rank: int, ranks: int, chunks: int, microbatches: int, out: Ints) -> int:
    warm = min(ranks - 1 - rank, microbatches)
    at, base = 0, rank * microbatches
    for m in range(warm):
        out[at, 0], out[at, 1] = FORWARD, base + m
        at += 1
    for m in range(microbatches):
        if warm + m < microbatches:
            out[at, 0], out[at, 1] = FORWARD, base + warm + m
            at += 1
        out[at, 0], out[at, 1] = BACKWARD, base + m
        at += 1
    return at
