"""Mamba-2 mixer, one row per step of the layer: the short convolution and the chunked scan.

`step` is conv_prefill, conv_decode or scan_prefill. The convolution runs one thread block per (sequence, channel) over
512 tokens at a time, or streams x, B and C through memory; the scan walks over chunks with the state kept on chip.
Source: Mamba-2 (Dao and Gu, 2024). Wrong for very many tokens, where strided reads slow the convolution down.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes, overlap_s, wave_ratio

SPAN = 512.0
"""tokens that one thread block of the convolution takes at once"""
STEPS = ("conv_prefill", "conv_decode", "scan_prefill")
PARAMETERS = {
    **{f"{step}_floor_s": 3e-6 for step in STEPS},
    **{f"{step}_memory_ratio": 0.5 for step in STEPS},
    "chunk_s": 3e-6,
    "sequence_s": 1e-7,
    "overflow_ratio": 0.1,
    "row_s": 1e-8,
    "row_span_s": 1e-8,
}


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    batch, tokens, step = shapes["batch_size"], shapes["seq_len"], shapes["step"]
    inner = shapes["nheads"] * shapes["head_dim"]
    channels = inner + 2.0 * shapes["n_groups"] * shapes["d_state"]
    streamed = batch * tokens * channels * 4.0
    scanned = batch * tokens * (channels + inner) * 2.0 + batch * inner * shapes["d_state"] * 4.0
    products = 4.0 * shapes["d_state"] + 2.0 * shapes["chunk_size"]
    return {
        "batch": batch,
        "tokens": tokens,
        "step": step,
        "channels": channels,
        "inner": inner,
        "chunk": shapes["chunk_size"],
        "blocks": batch * shapes["nheads"],
        "bytes": np.where(step == 2, scanned, streamed),
        "flop": np.where(step == 2, batch * tokens * inner * products, 0.0),
    }


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    step = sizes["step"].astype(int)
    floor_s, memory = p[0:3][step], p[3:6][step]
    chunk_s, sequence_s, overflow, row_s, span_s = p[6:]
    far_s = sizes["bytes"] / (setting.chip.memory_bytes_per_s * memory)
    waves = np.maximum(sizes["blocks"] / setting.chip.sm_count, 1.0)
    walk_s = np.where(step == 2, waves * np.ceil(sizes["tokens"] / sizes["chunk"]) * chunk_s, 0.0)
    rows = sizes["batch"] * sizes["channels"] / setting.chip.sm_count
    walk_s += np.where(step == 0, rows * (row_s + span_s * np.ceil(sizes["tokens"] / SPAN)), 0.0)
    slow_s = overflow * np.maximum(sizes["bytes"] - 1e9, 0.0) / setting.chip.memory_bytes_per_s
    return np.asarray(floor_s + sequence_s * sizes["batch"] + overlap_s(walk_s, far_s, 0.2) + slow_s)


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    logs = [np.log2(sizes[name]) for name in ("batch", "tokens", "channels", "inner", "blocks", "bytes")]
    batch, tokens, *_ = logs
    return [*logs, batch + tokens, sizes["step"], sizes["chunk"], wave_ratio(sizes["blocks"], setting.chip.sm_count)]


LAW = Law(
    "mamba2",
    ("batch_size", "seq_len", "nheads", "head_dim", "n_groups", "d_state", "step"),
    {"chunk_size": 256.0},
    tuple(PARAMETERS),
    tuple(PARAMETERS.values()),
    work,
    time_s,
    features,
    {"step": STEPS},
)
