"""Prefill attention: causal, full or windowed, grouped heads.

Each thread block takes 128 queries of one head and walks over their keys. Compute is paced by the tensor cores (two
multiplies) and by the exponentials of the softmax; blocks are dealt to SMs, the longest one bounds the tail. Traffic is
q, k, v and the output once. Source: FlashAttention-2 (Dao, 2023) for the order of the loops, FlashAttention-3 (Shah et
al., 2024) for the exponential as a second resource. Wrong for kernels that copy or convert the KV cache on the way.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes, memory_s, overlap_s, wave_ratio

QUERIES = 128.0
PARAMETERS = {
    "floor_s": 5e-6,
    "compute_ratio": 0.7,
    "exponential_ratio": 0.5,
    "block_start_s": 5e-7,
    "memory_ratio": 0.7,
    "serial_ratio": 0.2,
    "tail_ratio": 0.5,
    "row_s": 1e-8,
    "held_ratio": 0.2,
    "padding_ratio": 0.5,
}


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    batch, tokens, heads = shapes["batch_size"], shapes["isl"], shapes["num_heads"]
    kv_heads, width, window = shapes["num_key_value_heads"], shapes["head_dim"], shapes["window_size"]
    reach = np.where((window > 0) & (window < tokens), window, tokens)
    pairs = reach * tokens - reach * (reach - 1.0) / 2.0
    moved = batch * tokens * width * (2.0 * setting.format.output_bytes * heads + 2.0 * shapes["kv_bytes"] * kv_heads)
    blocks = np.ceil(tokens / QUERIES)
    own = np.minimum(tokens, QUERIES)
    padded = blocks * QUERIES * (np.minimum(reach + QUERIES, tokens + QUERIES) - own * 0.5)
    return {
        "batch": batch,
        "tokens": tokens,
        "heads": heads,
        "kv_heads": kv_heads,
        "width": width,
        "window": window,
        "reach": reach,
        "pairs": pairs,
        "padded": np.maximum(pairs, np.minimum(padded, pairs + blocks * QUERIES * QUERIES)),
        "blocks": blocks * batch * heads,
        "kv_bytes": shapes["kv_bytes"],
        "flop": 4.0 * batch * heads * width * pairs,
        "bytes": moved,
    }


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    floor_s, compute, exponential, start_s, memory, serial, tail, row_s, held, padding = p
    chip = setting.chip
    floor_s, start_s, row_s = floor_s * chip.pace, start_s * chip.pace, row_s * chip.pace
    sm_flop_per_s = setting.peak_flop_per_s / chip.sm_count * compute
    sm_exp_per_s = chip.exponentials_per_clock * chip.clock_hz * exponential
    pair_s = overlap_s(4.0 * sizes["width"] / sm_flop_per_s, np.full_like(sizes["width"], 1.0 / sm_exp_per_s), 0.5)
    done = sizes["pairs"] + padding * (sizes["padded"] - sizes["pairs"])
    total_s = sizes["batch"] * sizes["heads"] * done * pair_s / chip.sm_count
    own = np.minimum(sizes["tokens"], QUERIES)
    longest_s = (
        (own + min(padding, 1.0) * (QUERIES - own))
        * np.minimum(sizes["reach"] + QUERIES, sizes["tokens"] + QUERIES / 2)
        * pair_s
    )
    start = start_s * np.ceil(sizes["blocks"] / chip.sm_count)
    busy_s = np.maximum(total_s, longest_s) + tail * np.minimum(total_s, longest_s) + start
    far_s = memory_s(sizes["bytes"], setting, memory, held, 1.0)
    return np.asarray(floor_s + row_s * sizes["batch"] + overlap_s(busy_s, far_s, serial))


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    logs = [np.log2(sizes[n]) for n in ("batch", "tokens", "heads", "kv_heads", "width", "reach", "flop", "bytes")]
    batch, tokens, heads, kv_heads, *_, flop, moved = logs
    group = heads - kv_heads
    derived = [group, batch + heads, batch + kv_heads, batch + tokens, flop - moved, np.log2(sizes["blocks"])]
    waves = [
        wave_ratio(sizes["batch"] * sizes["heads"] * np.ceil(sizes["tokens"] / queries), setting.chip.sm_count)
        for queries in (64.0, 128.0, 256.0)
    ]
    return [
        *logs,
        *derived,
        *waves,
        sizes["window"],
        sizes["kv_bytes"],
        sizes["heads"],
        batch + tokens + heads,
        batch + tokens + kv_heads,
    ]


LAW = Law(
    "attention_prefill",
    ("batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim"),
    {"window_size": 0.0, "kv_bytes": 2.0},
    tuple(PARAMETERS),
    tuple(PARAMETERS.values()),
    work,
    time_s,
    features,
    {},
)
