"""Counting token pairs, compiled with numba."""

from __future__ import annotations

import numpy as np

from simcore.cost.jit import njit_with_memory as njit


@njit(cache=True, nogil=True)
def count_pairs(trace: np.ndarray, experts: int) -> np.ndarray:
    """[layers - 1, experts, experts] pair counts of a trace laid out as [layers, tokens, k]."""
    layers, tokens, k = trace.shape
    out = np.zeros((layers - 1, experts, experts))
    for layer in range(layers - 1):
        for token in range(tokens):
            for a in range(k):
                first = trace[layer, token, a]
                for b in range(k):
                    out[layer, first, trace[layer + 1, token, b]] += 1.0
    return out
