"""Decode attention: one query per sequence over `step` cached tokens, grouped heads, full or windowed.

The KV cache is read once. A thread block takes one (sequence, KV head) or, when those are too few for the chip, one
slice of it; the slices are merged after. The best of a few slice counts is taken. The whole chip streams at what memory
delivers, a block at what one SM keeps in flight: more where L2 answers faster and where an SM has more of the memory's
bandwidth to fill, so `stream_ratio` of the geometric mean of both (`stream_bytes_per_s`). FlashAttention-2 in vLLM
packs and slices only grouped heads without a window, TensorRT-LLM no more than PACKED_MOST heads of a KV head:
`alone_odds` and `wide_odds` say how surely a kernel runs every other head alone and whole, so the law is monotone in
the work at a fixed number of heads per KV head. A cache narrower than the queries is converted on the way
(`narrow_ratio`). Where L2 is split, each half keeps its own copy, so half as much of a cache stays. Source:
Flash-Decoding (Dao et al., 2023). Wrong for kernels that choose the number of slices badly, and for caches that stay in
L2 between two calls of a benchmark.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes, memory_s, overlap_s, wave_ratio

PACKED_MOST = 32.0
"""query heads of one KV head that TensorRT-LLM's kernels take together; 64 take up to 25 times as long as 32"""
SLICES = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
PARAMETERS = {
    "floor_s": 5e-6,
    "memory_ratio": 0.8,
    "stream_ratio": 0.5,
    "block_start_s": 1e-6,
    "merge_s": 2e-6,
    "compute_ratio": 0.3,
    "serial_ratio": 0.2,
    "held_ratio": 0.5,
    "spill_slope": 2.0,
    "row_s": 1e-10,
    "alone_odds": 0.1,
    "wide_odds": 0.05,
    "narrow_ratio": 1.2,
    "narrow_floor_ratio": 1.1,
}


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    batch, heads, width = shapes["batch_size"], shapes["num_heads"], shapes["head_dim"]
    kv_heads, window = shapes["num_key_value_heads"], shapes["window_size"]
    tokens = shapes["step"] + 1.0
    reach = np.where((window > 0) & (window < tokens), window, tokens)
    cache = 2.0 * batch * kv_heads * reach * width * shapes["kv_bytes"]
    return {
        "batch": batch,
        "tokens": tokens,
        "heads": heads,
        "kv_heads": kv_heads,
        "width": width,
        "window": window,
        "reach": reach,
        "group": heads / kv_heads,
        "cache": cache,
        "row_bytes": 2.0 * width * shapes["kv_bytes"],
        "kv_bytes": shapes["kv_bytes"],
        "flop": 4.0 * batch * heads * reach * width,
        "bytes": cache + 2.0 * setting.format.output_bytes * batch * heads * width,
    }


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    floor_s, memory, stream, start_s, merge_s, compute, serial, held, slope, row_s, odds, wide, narrow, narrow_floor = p
    chip = setting.chip
    floor_s, start_s, merge_s, row_s = (value * chip.pace for value in (floor_s, start_s, merge_s, row_s))
    units = sizes["batch"] * sizes["kv_heads"] / chip.sm_count
    converts = sizes["kv_bytes"] < setting.format.activation_bytes
    slower = np.where(converts, narrow, 1.0)
    sm_flop_per_s = chip.peak("bf16") / chip.sm_count * compute
    padded = np.maximum(16.0, sizes["group"])
    load_s = sizes["row_bytes"] / (stream_bytes_per_s(setting) * stream)
    token_s = slower * np.maximum(load_s, 4.0 * padded * sizes["width"] / sm_flop_per_s)
    blocks_s = np.ceil(sizes["reach"] / 64.0) * 64.0 * token_s + start_s
    best = np.ceil(units) * blocks_s
    for slices in SLICES:
        part_s = np.ceil(sizes["reach"] / (64.0 * slices)) * 64.0 * token_s + start_s
        best = np.minimum(best, np.ceil(units * slices) * part_s + merge_s)
    alone_s = np.ceil(units * sizes["group"]) * blocks_s
    alone = odds / (1.0 + odds) if chip.attention_family == "fa2" else 0.0
    packs = (sizes["group"] > 1) & (sizes["window"] == 0)
    splits_wide = np.where(sizes["group"] > PACKED_MOST, wide / (1.0 + wide), 0.0)
    share = np.maximum(np.where(packs, 0.0, alone), splits_wide)
    best = share * np.maximum(alone_s, best) + (1.0 - share) * best
    far_s = memory_s(sizes["bytes"], setting, memory, held / chip.l2_copies, slope) * np.sqrt(slower)
    fixed_s = floor_s * np.where(converts, narrow_floor, 1.0) + row_s * sizes["batch"] * sizes["kv_heads"]
    return np.asarray(fixed_s + overlap_s(best, far_s, serial))


def stream_bytes_per_s(setting: Setting) -> float:
    """Geometric mean of what one SM can read from L2 and its share of the memory's bandwidth.

    L2 alone makes a B200's SM, with 54 GB/s of memory to itself, no faster than an H100's with 25: chips left out say
    otherwise (docs/calibration.md). Wrong where neither bounds a block, as on chips that are not GPUs.
    """
    chip = setting.chip
    return float(np.sqrt(chip.sm_bytes_per_s * chip.memory_bytes_per_s / chip.sm_count))


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    names = ("batch", "tokens", "heads", "kv_heads", "width", "reach", "group", "cache")
    logs = [np.log2(sizes[name]) for name in names]
    batch, _, heads, kv_heads, _, reach, *_ = logs
    units = sizes["batch"] * sizes["kv_heads"]
    sms = setting.chip.sm_count
    waves = [wave_ratio(units, sms), wave_ratio(units * np.ceil(sizes["reach"] / 256.0), sms)]
    waves += [wave_ratio(sizes["batch"] * sizes["heads"], sms), np.log2(units * np.ceil(sizes["reach"] / 64.0))]
    derived = [
        batch + kv_heads,
        batch + heads,
        batch + reach,
        kv_heads + reach,
        sizes["window"],
        sizes["kv_bytes"],
        sizes["heads"],
    ]
    chip = setting.chip
    held = np.log2(sizes["cache"] * chip.l2_copies / max(chip.l2_bytes, 1.0))
    told_apart = [held, np.log2(units / sms), np.log2(sizes["cache"] / chip.memory_bytes_per_s)]
    return [*logs, *waves, *derived, sizes["group"] % 8.0, batch + heads + reach, *told_apart]


LAW = Law(
    "attention_decode",
    ("batch_size", "step", "num_heads", "num_key_value_heads", "head_dim"),
    {"window_size": 0.0, "kv_bytes": 2.0},
    tuple(PARAMETERS),
    tuple(PARAMETERS.values()),
    work,
    time_s,
    features,
    {},
    habits=("wide_odds",),
)
