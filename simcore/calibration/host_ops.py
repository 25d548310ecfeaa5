"""The numpy operations of a small transformer: what `simcore profile` measures and what the closed loop runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def gemm(x: Floats, weight: Floats) -> Floats:
    """[m, k] x [k, n]."""
    return x @ weight


def attention_prefill(q: Floats, k: Floats, v: Floats) -> Floats:
    """Causal attention; q [batch, kv_heads, group, tokens, width], k and v [batch, kv_heads, 1, tokens, width]."""
    tokens = q.shape[-2]
    scores = q @ np.swapaxes(k, -1, -2)
    scores *= np.float32(q.shape[-1] ** -0.5)
    scores += np.triu(np.full((tokens, tokens), -1e9, np.float32), 1)
    return _softmax(scores) @ v


def attention_decode(q: Floats, k: Floats, v: Floats) -> Floats:
    """q [batch, kv_heads, group, width], k and v [batch, kv_heads, tokens, width]."""
    scores = q @ np.swapaxes(k, -1, -2)
    scores *= np.float32(q.shape[-1] ** -0.5)
    return _softmax(scores) @ v


def _softmax(scores: Floats) -> Floats:
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def rms_norm(x: Floats, weight: Floats) -> Floats:
    scale = np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(1e-5))
    return np.asarray(x / scale * weight, np.float32)


def silu_mul(gate: Floats, up: Floats) -> Floats:
    return np.asarray(gate / (np.float32(1.0) + np.exp(-gate)) * up, np.float32)


def add(x: Floats, y: Floats) -> Floats:
    return x + y
