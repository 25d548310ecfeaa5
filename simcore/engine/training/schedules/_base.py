"""What schedules share: kinds of operations, seconds of equal stages, placements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FORWARD, BACKWARD, INPUT, WEIGHT, PAIR = 0, 1, 2, 3, 4
"""BACKWARD: both gradients; INPUT, WEIGHT: one of them; PAIR: a forward and a backward pass of two microbatches that
run into each other"""
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Times:
    """Seconds of one chunk; all chunks are equal."""

    forward_s: float
    input_s: float
    weight_s: float
    pair_s: float | None = None
    """a forward pass over a whole backward one; None: one after the other"""

    @property
    def backward_s(self) -> float:
        return self.input_s + self.weight_s

    @property
    def both_s(self) -> float:
        return self.forward_s + self.backward_s if self.pair_s is None else self.pair_s


def one_chain(ranks: int, chunks: int) -> Ints:
    """Chunk c on rank c mod ranks."""
    return np.asarray([[c % ranks for c in range(ranks * chunks)]], np.int32)


def whole_rounds(ranks: int, chunks: int, microbatches: int) -> str | None:
    """Interleaved chunks go round in groups of as many microbatches as ranks."""
    if chunks > 1 and microbatches % ranks:
        return f"{microbatches} microbatches are no multiple of the {ranks} stages (interleaved chunks need that)"
    return None


def one_chunk(name: str, chunks: int) -> str | None:
    """For schedules without interleaving."""
    return f"{name} has one chunk per rank, not {chunks} (vpp = 1)" if chunks != 1 else None


def full_pipeline_s(ranks: int, chunks: int, microbatches: int, times: Times) -> float:
    """(n v + p - 1)(f + b), f and b of one chunk: ranks idle while the first microbatch comes and the last goes."""
    return (microbatches * chunks + ranks - 1) * (times.forward_s + times.backward_s)
