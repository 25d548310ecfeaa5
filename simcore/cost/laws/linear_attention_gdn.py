"""Gated delta rule attention, one row per step of the layer: the short convolution, then the rule.

`step` is conv_prefill, conv_decode, rule_prefill or rule_decode; the steps of a layer add up. The convolution runs one
thread block per (sequence, channel) over 512 tokens at a time, or streams q, k and v through memory. In prefill the
rule walks over chunks of 64 tokens, one (sequence, value head) per thread block, state kept on chip; in decode it
reads and writes the state once. Source: Gated Delta Networks (Yang et al., 2024). Wrong for convolutions whose strided
reads miss the address translation caches (very many tokens).
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes, overlap_s, wave_ratio

SPAN = 512.0
"""tokens that one thread block of the convolution takes at once"""
STEPS = ("conv_prefill", "conv_decode", "rule_prefill", "rule_decode")
CHUNK = 64.0
PARAMETERS = {
    **{f"{step}_floor_s": 3e-6 for step in STEPS},
    **{f"{step}_memory_ratio": 0.5 for step in STEPS},
    "chunk_s": 3e-6,
    "sequence_s": 1e-7,
    "overflow_ratio": 0.1,
    "row_s": 1e-8,
    "row_span_s": 1e-8,
    "serial_ratio": 0.2,
}


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    batch, tokens, step = shapes["batch_size"], shapes["seq_len"], shapes["step"]
    keys = shapes["num_k_heads"] * shapes["head_k_dim"]
    values = shapes["num_v_heads"] * shapes["head_v_dim"]
    channels = 2.0 * keys + values
    state = shapes["num_v_heads"] * shapes["head_k_dim"] * shapes["head_v_dim"] * 4.0
    streamed = batch * tokens * channels * 4.0
    rule = batch * tokens * (channels + values) * 2.0 + batch * state * np.where(step == 3, 2.0, 1.0)
    moved = np.where(step >= 2, rule, streamed)
    products = 4.0 * CHUNK + 4.0 * shapes["head_v_dim"]
    flop = np.where(step == 2, batch * tokens * shapes["num_v_heads"] * shapes["head_k_dim"] * products, 0.0)
    return {
        "batch": batch,
        "tokens": tokens,
        "step": step,
        "keys": keys,
        "values": values,
        "blocks": batch * shapes["num_v_heads"],
        "bytes": moved,
        "flop": flop,
    }


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    step = sizes["step"].astype(int)
    floor_s, memory = p[0:4][step], p[4:8][step]
    chunk_s, sequence_s, overflow, row_s, span_s, serial = p[8:]
    far_s = sizes["bytes"] / (setting.chip.memory_bytes_per_s * memory)
    waves = np.maximum(sizes["blocks"] / setting.chip.sm_count, 1.0)
    walk_s = np.where(step == 2, waves * np.ceil(sizes["tokens"] / CHUNK) * chunk_s, 0.0)
    rows = sizes["batch"] * (2.0 * sizes["keys"] + sizes["values"]) / setting.chip.sm_count
    walk_s += np.where(step == 0, rows * (row_s + span_s * np.ceil(sizes["tokens"] / SPAN)), 0.0)
    slow_s = overflow * np.maximum(sizes["bytes"] - 1e9, 0.0) / setting.chip.memory_bytes_per_s
    return np.asarray(floor_s + sequence_s * sizes["batch"] + overlap_s(walk_s, far_s, serial) + slow_s)


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    logs = [np.log2(sizes[name]) for name in ("batch", "tokens", "keys", "values", "blocks", "bytes")]
    batch, tokens, *_ = logs
    return [*logs, batch + tokens, sizes["step"], wave_ratio(sizes["blocks"], setting.chip.sm_count)]


LAW = Law(
    "linear_attention_gdn",
    ("batch_size", "seq_len", "num_k_heads", "head_k_dim", "num_v_heads", "head_v_dim", "step"),
    {},
    tuple(PARAMETERS),
    tuple(PARAMETERS.values()),
    work,
    time_s,
    features,
    {"step": STEPS},
)
