"""GPipe: all forward passes, then all backward ones (Huang et al. 2019). Holds every microbatch."""

from __future__ import annotations

from simcore.cost.jit import njit_with_memory as njit
from simcore.engine.training.schedules._base import BACKWARD, FORWARD, Ints, full_pipeline_s, one_chain, one_chunk

SPLITS = False
place = one_chain
closed_form_s = full_pipeline_s


def problem(ranks: int, chunks: int, microbatches: int) -> str | None:
    return one_chunk("gpipe", chunks)


@njit(cache=True)
def order(rank: int, ranks: int, chunks: int, microbatches: int, out: Ints) -> int:
    for m in range(microbatches):
        out[m, 0], out[m, 1] = FORWARD, rank * microbatches + m
        out[microbatches + m, 0], out[microbatches + m, 1] = BACKWARD, rank * microbatches + m
    return 2 * microbatches
