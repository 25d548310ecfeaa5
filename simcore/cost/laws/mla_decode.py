"""Decode of multi-head latent attention: all heads share one 576 wide latent per cached token.

The latent is read once per sequence, every head multiplies with all of it (keys) and 512 of it (values), heads padded
to 64 rows of the tensor cores. Kernels that fill the chip cut a sequence into as many slices as pay; others launch a
fixed number per sequence (`fixed_slices`, less than one where several blocks share a unit), and their time is flat in
the batch until the blocks fill the chip; `fixed_odds` says how surely a kernel is of the second kind. Source:
DeepSeek-V2 (2024), absorbed form; Flash-Decoding (Dao et al., 2023). `num_heads` counts the heads on this chip.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes, memory_s, overlap_s, wave_ratio

LATENT_WIDTH, VALUE_WIDTH = 576.0, 512.0
SLICES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
PARAMETERS = {
    "floor_s": 1e-5,
    "memory_ratio": 0.7,
    "compute_ratio": 0.4,
    "stream_ratio": 0.5,
    "block_start_s": 1e-6,
    "merge_s": 2e-6,
    "serial_ratio": 0.2,
    "row_s": 1e-9,
    "fixed_odds": 0.1,
    "fixed_slices": 4.0,
}


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    batch, tokens, heads = shapes["batch_size"], shapes["step"] + 1.0, shapes["num_heads"]
    row_bytes = LATENT_WIDTH * shapes["kv_bytes"]
    return {
        "batch": batch,
        "tokens": tokens,
        "heads": heads,
        "parts": shapes["tp_size"],
        "kv_bytes": shapes["kv_bytes"],
        "row_bytes": row_bytes,
        "flop": 2.0 * batch * heads * tokens * (LATENT_WIDTH + VALUE_WIDTH),
        "bytes": batch * tokens * row_bytes + 2.0 * batch * heads * (LATENT_WIDTH + VALUE_WIDTH),
    }


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    floor_s, memory, compute, stream, start_s, merge_s, serial, row_s, odds, fixed = p
    chip = setting.chip
    floor_s, start_s, merge_s, row_s = (value * chip.pace for value in (floor_s, start_s, merge_s, row_s))
    sm_flop_per_s = setting.peak_flop_per_s / chip.sm_count * compute
    tiles = np.ceil(sizes["heads"] / 64.0)
    flop_per_token = 2.0 * np.maximum(16.0, np.minimum(sizes["heads"], 64.0)) * (LATENT_WIDTH + VALUE_WIDTH)
    token_s = np.maximum(sizes["row_bytes"] / (chip.sm_bytes_per_s * stream), flop_per_token / sm_flop_per_s)
    best: Array | None = None
    for slices in SLICES:
        parts = np.ceil(sizes["batch"] * tiles * slices / chip.sm_count)
        busy_s = parts * (np.ceil(sizes["tokens"] / (64.0 * slices)) * 64.0 * token_s + start_s)
        if slices > 1:
            busy_s += merge_s
        best = busy_s if best is None else np.minimum(best, busy_s)
    assert best is not None
    fixed_waves = np.maximum(sizes["batch"] * tiles * fixed / chip.sm_count, 1.0)
    fixed_s = fixed_waves * (sizes["tokens"] / fixed * token_s + start_s) + merge_s
    share = odds / (1.0 + odds)
    best = share * np.maximum(fixed_s, best) + (1.0 - share) * best
    far_s = memory_s(sizes["bytes"], setting, memory, 0.3, 1.0)
    return np.asarray(floor_s + row_s * sizes["batch"] * sizes["heads"] + overlap_s(best, far_s, serial))


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    batch, tokens, heads = (np.log2(sizes[name]) for name in ("batch", "tokens", "heads"))
    logs = [batch, tokens, heads, batch + tokens, batch + heads, tokens + heads, batch + tokens + heads]
    blocks, sms = sizes["batch"] * np.ceil(sizes["heads"] / 64.0), setting.chip.sm_count
    wave, moved = wave_ratio(blocks, sms), np.log2(sizes["bytes"])
    whole = np.log2(np.ceil(blocks / sms) * sizes["tokens"])
    sliced = np.log2(np.ceil(blocks * np.ceil(sizes["tokens"] / 128.0) / sms))
    return [*logs, np.log2(sizes["parts"]), sizes["kv_bytes"], wave, moved, whole, sliced, batch - tokens]


LAW = Law(
    "mla_decode",
    ("batch_size", "step", "num_heads"),
    {"tp_size": 1.0, "kv_bytes": 2.0},
    tuple(PARAMETERS),
    tuple(PARAMETERS.values()),
    work,
    time_s,
    features,
    {},
)
