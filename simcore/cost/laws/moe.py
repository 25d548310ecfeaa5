"""Routed experts on one chip: two grouped matrix multiplies over the experts that tokens reach, with routing around.

T tokens with `topk` experts each make T x topk pairs on the ranks; `simcore.cost.laws._routing` says how many land on
the heaviest rank and how many of its experts they reach. Each reached expert reads its weights once and works in row
tiles, so few tokens per expert pay for padding. Both multiplies pay the longer of tiles and weights; the pairs' inputs,
intermediates and outputs pass through memory around them, and on some stacks so do the tokens of the other ranks
(`token_share`). `num_tokens` counts the tokens of all ranks, `inter_size` is the whole model's (divided by
`moe_tp_size` here); `matrices` is 3 for gated experts, 2 without a gate. Wrong where a stack's tuner picked a poor
kernel for one shape.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes, memory_s, overlap_s, wave_ratio
from simcore.cost.laws._routing import landed

DISTRIBUTIONS = ("balanced", "power_law_1.01", "power_law_1.2")
ROW_TILES = (16.0, 32.0, 64.0, 128.0)
COLUMN_TILE = 128.0
PASS_HELD = 0.3
"""of L2: activations that a following kernel finds there"""
PARAMETERS = {
    "floor_s": 1.5e-5,
    "compute_ratio": 0.5,
    "memory_ratio": 0.7,
    "tile_start_s": 1e-6,
    "stream_ratio": 0.7,
    "token_s": 1e-9,
    "serial_ratio": 0.3,
    "skew_ratio": 0.05,
    "expert_s": 2e-8,
    "pass_ratio": 0.5,
    "held_ratio": 0.3,
    "token_share": 0.3,
}


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    kind = setting.format
    tokens, hidden, topk = shapes["num_tokens"], shapes["hidden_size"], shapes["topk"]
    experts, ranks, matrices = shapes["num_experts"], shapes["moe_ep_size"], shapes["matrices"]
    inter = shapes["inter_size"] / shapes["moe_tp_size"]
    pairs, reached = landed(tokens, topk, experts, ranks, shapes["distribution"])
    matrix_bytes = reached * hidden * inter * kind.weight_bytes
    weights = matrix_bytes * matrices
    return {
        "tokens": tokens,
        "hidden": hidden,
        "inter": inter,
        "topk": topk,
        "all_experts": experts,
        "tp": shapes["moe_tp_size"],
        "ep": ranks,
        "matrices": matrices,
        "experts": np.maximum(experts / ranks, 1.0),
        "pairs": pairs,
        "reached": reached,
        "skew": shapes["distribution"],
        "weights": weights,
        "down_bytes": matrix_bytes,
        "pass_bytes": pairs * (4.0 * hidden + 2.0 * matrices * inter),
        "token_bytes": 4.0 * tokens * hidden,
        "flop": 2.0 * np.maximum(tokens * topk / ranks, 1.0) * matrices * hidden * inter,
        "bytes": weights,
    }


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    floor_s, _, memory, _, _, token_s, serial, _, expert_s, passing, held, token_share = p
    chip = setting.chip
    up_s = memory_s(sizes["weights"] - sizes["down_bytes"], setting, memory, held, 1.0)
    down_s = memory_s(sizes["down_bytes"], setting, memory, held, 1.0)
    both = [overlap_s(up, up_s, serial) + overlap_s(down, down_s, serial) for up, down in _tiles_s(sizes, setting, p)]
    passed_s = memory_s(sizes["pass_bytes"] + token_share * sizes["token_bytes"], setting, passing, PASS_HELD, 1.0)
    route_s = floor_s + token_s * sizes["tokens"] * sizes["topk"] + expert_s * sizes["all_experts"]
    return np.asarray(route_s * chip.pace + np.minimum.reduce(both) + passed_s)


def _tiles_s(sizes: dict[str, Array], setting: Setting, p: Array) -> list[tuple[Array, Array]]:
    """Busy seconds of (up and gate, down) with each row tile."""
    chip, kind = setting.chip, setting.format
    start_s, crowd = p[3] * chip.pace, 1.0 + p[7] * (sizes["skew"] > 0)
    sm_flop_per_s = setting.peak_flop_per_s / chip.sm_count * p[1]
    sm_bytes_per_s = chip.sm_bytes_per_s * p[4]
    hidden, inter, reached = sizes["hidden"], sizes["inter"], sizes["reached"]
    wide = np.ceil((sizes["matrices"] - 1.0) * inter / COLUMN_TILE) / chip.sm_count
    narrow = np.ceil(hidden / COLUMN_TILE) / chip.sm_count
    found = []
    for tile in ROW_TILES:
        tiles = np.maximum(sizes["pairs"] / tile + 0.5 * reached, reached)
        loads = kind.activation_bytes * tile + kind.weight_bytes * COLUMN_TILE
        per_k_s = max(2.0 * tile * COLUMN_TILE / sm_flop_per_s, loads / sm_bytes_per_s)
        up_s = np.ceil(tiles * wide) * (hidden * per_k_s + start_s)
        found.append((up_s * crowd, np.ceil(tiles * narrow) * (inter * per_k_s + start_s) * crowd))
    return found


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    """SHARED of them mean the same in every model; the others can tell the models apart."""
    sms, bandwidth = setting.chip.sm_count, setting.chip.memory_bytes_per_s
    hidden, inter, pairs, reached, ep = (np.log2(sizes[n]) for n in ("hidden", "inter", "pairs", "reached", "ep"))
    experts, weights, tokens = (np.log2(sizes[name]) for name in ("experts", "weights", "tokens"))
    wide = np.ceil((sizes["matrices"] - 1.0) * sizes["inter"] / COLUMN_TILE)
    columns = np.log2(wide / sms), np.log2(np.ceil(sizes["hidden"] / COLUMN_TILE) / sms)
    far = weights - np.log2(bandwidth)
    busy = pairs - reached + weights - np.log2(setting.format.weight_bytes * setting.peak_flop_per_s / 2.0)
    passed, entered = np.log2(sizes["pass_bytes"] / bandwidth), np.log2(sizes["token_bytes"] / bandwidth)
    shared = [pairs - reached, reached, reached - experts, reached + columns[0], reached + columns[1], far, busy]
    shared += [
        passed,
        entered,
        busy - far,
        weights - np.log2(max(setting.chip.l2_bytes, 1.0)),
        sizes["skew"],
        ep,
        pairs,
    ]
    assert len(shared) == SHARED
    rows = sizes["pairs"] / sizes["reached"]
    waves = []
    for tile in (16.0, 64.0, 128.0):
        tiles = np.ceil(rows / tile)
        slots = sizes["reached"] * tiles * np.ceil(sizes["inter"] / COLUMN_TILE)
        waves += [wave_ratio(slots, sms), tiles * tile / rows]
    topk, all_experts, tp = (np.log2(sizes[name]) for name in ("topk", "all_experts", "tp"))
    own = [hidden, inter, topk, all_experts, tokens, experts, pairs - experts, hidden + inter, tokens + hidden, tp]
    return [*shared, *own, *waves, sizes["inter"] - COLUMN_TILE * np.floor(sizes["inter"] / COLUMN_TILE)]


SHARED = 14
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
    identity=("hidden_size", "inter_size", "topk", "num_experts"),
    shared=SHARED,
)
