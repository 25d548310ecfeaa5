"""Looped breadth-first (Lamy-Poirier 2023): interleaved chunks, all microbatches of one before the next.

Weights of one chunk at a time are needed, so FSDP gathers each once per pass; activations of all microbatches are held.
"""

from __future__ import annotations

from simcore.cost.jit import njit_with_memory as njit
from simcore.engine.training.schedules._base import BACKWARD, FORWARD, Ints, Times, full_pipeline_s, one_chain

SPLITS = False
place = one_chain


def problem(ranks: int, chunks: int, microbatches: int) -> str | None:
    return None


def closed_form_s(ranks: int, chunks: int, microbatches: int, times: Times) -> float | None:
    """As every full pipeline, where a chunk's microbatches keep all ranks busy until the next chunk begins."""
    return full_pipeline_s(ranks, chunks, microbatches, times) if chunks == 1 or microbatches >= ranks else None


@njit(cache=True)
def order(rank: int, ranks: int, chunks: int, microbatches: int, out: Ints) -> int:
    at = 0
    for chunk in range(chunks):
        for m in range(microbatches):
            out[at, 0], out[at, 1] = FORWARD, (chunk * ranks + rank) * microbatches + m
            at += 1
    for chunk in range(chunks - 1, -1, -1):
        for m in range(microbatches):
            out[at, 0], out[at, 1] = BACKWARD, (chunk * ranks + rank) * microbatches + m
            at += 1
    return at
