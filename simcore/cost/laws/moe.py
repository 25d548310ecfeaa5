"""Routed experts on one chip: two grouped matrix multiplies over the experts that tokens reach, with routing around.

With T tokens and `topk` experts each, T x topk / ep pairs land here on E / ep experts; the experts reached number
E/ep x (1 - exp(-pairs / (E/ep x skew))) (random routing). Each reached expert reads its weights once and works in row
tiles, so few tokens per expert pay for padding. `num_tokens` counts the tokens of all ranks, `inter_size` is the whole
model's (divided by `moe_tp_size` here); `matrices` is 3 for gated experts, 2 without a gate. Wrong for routers with
strong affinities; the skewed distributions are those of the benchmark (power laws of exponent 1.01 and 1.2).
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes, memory_s, overlap_s, wave_ratio

DISTRIBUTIONS = ("balanced", "power_law_1.01", "power_law_1.2")
ROW_TILES = (16.0, 64.0, 128.0)
COLUMN_TILE = 128.0
PARAMETERS = {
    "floor_s": 1.5e-5,
    "compute_ratio": 0.5,
    "memory_ratio": 0.7,
    "tile_start_s": 1e-6,
    "stream_ratio": 0.7,
    "token_s": 1e-9,
    "serial_ratio": 0.3,
    "skew_ratio": 0.3,
    "expert_s": 2e-8,
}


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    kind = setting.format
    tokens, hidden, topk = shapes["num_tokens"], shapes["hidden_size"], shapes["topk"]
    inter = shapes["inter_size"] / shapes["moe_tp_size"]
    experts = np.maximum(shapes["num_experts"] / shapes["moe_ep_size"], 1.0)
    pairs = np.maximum(tokens * topk / shapes["moe_ep_size"], 1.0)
    reached = np.maximum(np.minimum(experts * -np.expm1(-pairs / experts), pairs), 1.0)
    flop = 2.0 * pairs * shapes["matrices"] * hidden * inter
    weights = np.minimum(reached, experts) * shapes["matrices"] * hidden * inter * kind.weight_bytes
    return {
        "tokens": tokens,
        "hidden": hidden,
        "inter": inter,
        "topk": topk,
        "all_experts": shapes["num_experts"],
        "tp": shapes["moe_tp_size"],
        "ep": shapes["moe_ep_size"],
        "matrices": shapes["matrices"],
        "experts": experts,
        "pairs": pairs,
        "reached": reached,
        "skew": shapes["distribution"],
        "weights": weights,
        "flop": flop,
        "bytes": weights,
        "moved": weights + pairs * (2.0 * hidden + 2.0 * shapes["matrices"] * inter) * 2.0 + 4.0 * tokens * hidden,
    }


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    floor_s, compute, memory, start_s, stream, token_s, serial, skew, expert_s = p
    chip, kind = setting.chip, setting.format
    floor_s, start_s, token_s, expert_s = (value * chip.pace for value in (floor_s, start_s, token_s, expert_s))
    sm_flop_per_s = setting.peak_flop_per_s / chip.sm_count * compute
    sm_bytes_per_s = chip.sm_bytes_per_s * stream
    crowd = 1.0 + skew * (sizes["skew"] > 0)
    best: Array | None = None
    for tile in ROW_TILES:
        tiles = np.maximum(sizes["pairs"] / tile + 0.5 * sizes["reached"], sizes["reached"])
        loads = kind.activation_bytes * tile + kind.weight_bytes * COLUMN_TILE
        per_k_s = max(2.0 * tile * COLUMN_TILE / sm_flop_per_s, loads / sm_bytes_per_s)
        up = np.ceil(tiles * np.ceil((sizes["matrices"] - 1.0) * sizes["inter"] / COLUMN_TILE) / chip.sm_count)
        down = np.ceil(tiles * np.ceil(sizes["hidden"] / COLUMN_TILE) / chip.sm_count)
        busy_s = up * (sizes["hidden"] * per_k_s + start_s) + down * (sizes["inter"] * per_k_s + start_s)
        best = busy_s if best is None else np.minimum(best, busy_s)
    assert best is not None
    far_s = memory_s(sizes["moved"], setting, memory, 0.3, 1.0)
    route_s = floor_s + token_s * sizes["tokens"] * sizes["topk"] + expert_s * sizes["all_experts"]
    return np.asarray(route_s + overlap_s(best * np.minimum(crowd, 1.0 + sizes["experts"]), far_s, serial))


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    names = ("tokens", "hidden", "inter", "topk", "all_experts", "experts", "pairs", "reached", "weights", "flop")
    logs = [np.log2(sizes[name]) for name in names]
    tokens, hidden, inter, *_ = logs
    rows = sizes["pairs"] / sizes["reached"]
    waves = []
    for tile in (16.0, 64.0, 128.0):
        tiles = sizes["reached"] * np.ceil(rows / tile)
        waves.append(wave_ratio(tiles * np.ceil(sizes["inter"] / COLUMN_TILE), setting.chip.sm_count))
        waves.append(np.ceil(rows / tile) * tile / rows)
    shares = [np.log2(sizes["tp"]), np.log2(sizes["ep"]), sizes["skew"]]
    mean = np.log2(sizes["pairs"] / sizes["experts"])
    return [*logs, np.log2(rows), mean, *waves, *shares, hidden + inter, tokens + hidden, sizes["inter"] % 128.0]


LAW = Law(
    "moe",
    ("num_tokens", "hidden_size", "inter_size", "topk", "num_experts"),
    {"moe_tp_size": 1.0, "moe_ep_size": 1.0, "distribution": 0.0, "matrices": 3.0},
    tuple(PARAMETERS),
    tuple(PARAMETERS.values()),
    work,
    time_s,
    features,
    {"distribution": DISTRIBUTIONS},
)
