"""Prefill of multi-head latent attention: per head 192 wide keys, 128 wide values, causal.

Source: DeepSeek-V2 (2024) for the widths; loops as in `attention_prefill`. `num_heads` counts the heads on this chip.
Where a stack also expands the latent to keys and values in the same call, the time per token takes that in.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes, memory_s, overlap_s, wave_ratio

KEY_WIDTH, VALUE_WIDTH, LATENT_WIDTH, QUERIES = 192.0, 128.0, 576.0, 128.0
PARAMETERS = {
    "floor_s": 1e-5,
    "compute_ratio": 0.5,
    "tail_ratio": 0.5,
    "memory_ratio": 0.5,
    "serial_ratio": 0.3,
    "row_s": 1e-8,
    "head_s": 1e-8,
}


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    batch, tokens, heads = shapes["batch_size"], shapes["isl"], shapes["num_heads"]
    pairs = tokens * (tokens + 1.0) / 2.0
    per_token = heads * (2.0 * KEY_WIDTH + 2.0 * VALUE_WIDTH) * 2.0 + LATENT_WIDTH * shapes["kv_bytes"]
    return {
        "batch": batch,
        "tokens": tokens,
        "heads": heads,
        "kv_bytes": shapes["kv_bytes"],
        "parts": shapes["tp_size"],
        "padded": pairs + np.ceil(tokens / QUERIES) * QUERIES * QUERIES / 2.0,
        "flop": 2.0 * batch * heads * pairs * (KEY_WIDTH + VALUE_WIDTH),
        "bytes": batch * tokens * per_token,
    }


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    floor_s, compute, tail, memory, serial, row_s, head_s = p
    chip = setting.chip
    floor_s, row_s, head_s = floor_s * chip.pace, row_s * chip.pace, head_s * chip.pace
    pair_s = 2.0 * (KEY_WIDTH + VALUE_WIDTH) * chip.sm_count / (setting.peak_flop_per_s * compute)
    total_s = sizes["batch"] * sizes["heads"] * sizes["padded"] * pair_s / chip.sm_count
    longest_s = QUERIES * (sizes["tokens"] + QUERIES / 2.0) * pair_s
    busy_s = np.maximum(total_s, longest_s) + tail * np.minimum(total_s, longest_s)
    far_s = memory_s(sizes["bytes"], setting, memory, 0.2, 1.0)
    extra_s = row_s * sizes["batch"] + head_s * sizes["heads"]
    return np.asarray(floor_s + extra_s + overlap_s(busy_s, far_s, serial))


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    batch, tokens, heads = (np.log2(sizes[name]) for name in ("batch", "tokens", "heads"))
    logs = [batch, tokens, heads, batch + tokens, batch + heads, tokens + heads, batch + tokens + heads]
    blocks = np.ceil(sizes["tokens"] / QUERIES) * sizes["batch"] * sizes["heads"]
    wave, moved = wave_ratio(blocks, setting.chip.sm_count), np.log2(sizes["bytes"])
    padded = np.log2(sizes["padded"]) + batch + heads
    return [
        *logs,
        np.log2(sizes["flop"]),
        np.log2(sizes["parts"]),
        sizes["kv_bytes"],
        wave,
        moved,
        padded,
        tokens - batch,
    ]


LAW = Law(
    "mla_prefill",
    ("batch_size", "isl", "num_heads"),
    {"tp_size": 1.0, "kv_bytes": 2.0},
    tuple(PARAMETERS),
    tuple(PARAMETERS.values()),
    work,
    time_s,
    features,
    {},
)
