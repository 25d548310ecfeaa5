"""Interleaved 1F1B (Narayanan et al. 2021): several chunks per rank, in groups of p microbatches."""

from __future__ import annotations

from simcore.cost.jit import njit_with_memory as njit
from simcore.engine.training.schedules._base import BACKWARD, FORWARD, Ints, full_pipeline_s, one_chain, whole_rounds

SPLITS = False
place = one_chain
closed_form_s = full_pipeline_s
problem = whole_rounds


@njit(cache=True)
def order(rank: int, ranks: int, chunks: int, microbatches: int, out: Ints) -> int:
    total = microbatches * chunks
    warm = 2 * (ranks - 1 - rank) + (chunks - 1) * ranks if chunks > 1 else ranks - 1 - rank
    warm = min(warm, total)
    if microbatches == ranks and chunks > 1:
        warm = total
    at = 0
    for step in range(total + warm):
        if step < total:
            out[at, 0], out[at, 1] = FORWARD, cell(step, rank, ranks, chunks, microbatches, False)
            at += 1
        if step >= warm:
            out[at, 0], out[at, 1] = BACKWARD, cell(step - warm, rank, ranks, chunks, microbatches, True)
            at += 1
    return at


@njit(cache=True)
def cell(step: int, rank: int, ranks: int, chunks: int, microbatches: int, back: bool) -> int:
    """What a rank's forward (or backward) pass number `step` works on."""
    if chunks == 1:
        return rank * microbatches + step
    group = ranks * chunks
    chunk = (step % group) // ranks
    if back:
        chunk = chunks - 1 - chunk
    microbatch = (step // group) * ranks + step % ranks
    return (chunk * ranks + rank) * microbatches + microbatch
