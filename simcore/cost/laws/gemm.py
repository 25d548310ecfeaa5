"""Matrix multiply [m, k] x [k, n]: tile and wave quantisation, split-K, L2 reuse, launch floor.

A kernel cuts the output into tiles; an SM works on one tile at a time, `split` SMs may share one tile along k. Per wave
the tile costs max(multiply, operands from L2) + start-up; the best of a few tile shapes and splits is taken, as the
libraries' heuristics try to. Latencies scale with the clock.

Power, not the units, bounds long multiplications. Tensor cores that warps feed from registers (Ampere, Ada, the smaller
Blackwell) sustain about `warp_flop_per_pj` bf16 flop per pJ of the board's limit, whatever their peak; others run
further below their peak the more of it they have per watt (`density_exponent`). Weights come from memory, as in a model
whose layers differ; only `held_ratio` of L2 keeps them. Activations were just written and lie in L2 until the operands
together fill `resident_ratio` of it. The output goes to memory.

Sources: NVIDIA, Matrix Multiplication Background User's Guide (tile and wave quantisation); Stream-K (Osama et al.,
2023) for split-K; the bound per joule and the residence are read off measured kernels of seven chips. Wrong where the
library's choice is far from the best one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes, overlap_s, spilled_bytes, wave_ratio

TILES = ((64, 32), (64, 64), (128, 64), (64, 128), (128, 128), (128, 256), (256, 128))
SPLITS = (1, 2, 4, 8)
PARAMETERS = {
    "floor_s": 2.5e-6,
    "tile_start_s": 5e-7,
    "compute_ratio": 0.8,
    "memory_ratio": 0.85,
    "l2_ratio": 1.0,
    "split_s": 2e-6,
    "serial_ratio": 0.2,
    "held_ratio": 0.1,
    "spill_slope": 1.0,
    "density_exponent": 0.25,
    "warp_flop_per_pj": 0.66,
    "resident_ratio": 0.75,
}
RESIDENT_FADE = 0.35
"""of L2: from all activations held to none"""
SHARPNESS = 8.0
"""of the corner between the units' bound and the power's"""


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    m, n, k = shapes["m"], shapes["n"], shapes["k"]
    kind = setting.format
    moved = kind.activation_bytes * m * k + kind.weight_bytes * n * k + kind.output_bytes * m * n
    weights, inputs = kind.weight_bytes * n * k, kind.activation_bytes * m * k
    sizes = {"m": m, "n": n, "k": k, "flop": 2.0 * m * n * k, "bytes": moved}
    return {**sizes, "weight_bytes": weights, "input_bytes": inputs}


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    floor_s, start_s, compute, memory, l2, split_s, serial, held, slope, exponent, warp, resident = p
    chip, kind = setting.chip, setting.format
    floor_s, start_s, split_s = (value * chip.cycle_ratio for value in (floor_s, start_s, split_s))
    m, n, k = sizes["m"], sizes["n"], sizes["k"]
    sm_flop_per_s = _sustained_flop_per_s(setting, compute, exponent, warp) / chip.sm_count
    sm_bytes_per_s = chip.sm_bytes_per_s * l2
    far_s = _far_bytes(sizes, setting, held, slope, resident) / (chip.memory_bytes_per_s * memory)
    merge_s = 4.0 * m * n / (chip.sm_count * sm_bytes_per_s)
    rows = {tile: np.ceil(m / tile) for tile in (64, 128, 256)}
    columns = {tile: np.ceil(n / tile) for tile in (32, 64, 128, 256)}
    best: Array | None = None
    for tile_m, tile_n in TILES:
        loads = kind.activation_bytes * tile_m + kind.weight_bytes * tile_n
        per_k_s = max(2.0 * tile_m * tile_n / sm_flop_per_s, loads / sm_bytes_per_s)
        parts = rows[tile_m] * columns[tile_n] / chip.sm_count
        for split in SPLITS:
            busy_s = np.ceil(parts * split) * (k * (per_k_s / split) + start_s)
            if split > 1:
                busy_s += split_s + split * merge_s
            best = busy_s if best is None else np.minimum(best, busy_s)
    assert best is not None
    return np.asarray(floor_s + overlap_s(best, far_s, serial))


def _sustained_flop_per_s(setting: Setting, compute: float, exponent: float, warp: float) -> float:
    """What the chip keeps up: the units' share of their peak, under what its power limit pays for."""
    chip, rate = setting.chip, setting.peak_flop_per_s * compute
    if not (chip.feeds_by_warp and chip.tdp_w):
        return float(rate * chip.density**-exponent)
    paid = warp * 1e12 * chip.tdp_w * setting.peak_flop_per_s / chip.peak("bf16")
    return float((rate**-SHARPNESS + paid**-SHARPNESS) ** (-1.0 / SHARPNESS))


def _far_bytes(sizes: dict[str, Array], setting: Setting, held: float, slope: float, resident: float) -> Array:
    """Bytes over the memory bus: outputs, weights beyond what L2 holds, inputs where the operands fill it."""
    l2_bytes, weights, inputs = setting.chip.l2_bytes, sizes["weight_bytes"], sizes["input_bytes"]
    fill = sizes["bytes"] / max(l2_bytes, 1.0)
    cold = np.clip((fill - resident) / RESIDENT_FADE, 0.0, 1.0)
    outputs = sizes["bytes"] - weights - inputs
    return np.asarray(spilled_bytes(weights, held * l2_bytes, slope) + inputs * cold + outputs)


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    m, n, k = sizes["m"], sizes["n"], sizes["k"]
    log_m, log_n, log_k = np.log2(m), np.log2(n), np.log2(k)
    pad_m, pad_n = np.ceil(m / 128), np.ceil(n / 128)
    shared = [log_m, log_n, log_k, log_m + log_n, log_n + log_k, log_m + log_k, log_m + log_n + log_k]
    shared += [np.log2(sizes["bytes"]), np.log2(sizes["flop"] / sizes["bytes"]), log_m - log_n, log_n - log_k]
    for tile_m, tile_n in ((64, 64), (128, 64), (128, 128), (128, 256), (256, 128)):
        shared.append(wave_ratio(np.ceil(m / tile_m) * np.ceil(n / tile_n), setting.chip.sm_count))
    shared += [np.log2(pad_m * pad_n), np.ceil(m / 64) * 64 / m, pad_m * 128 / m, pad_n * 128 / n]
    return [*shared, m % 8, n % 64, k % 64, k % 128]


_NO_CATEGORIES: Mapping[str, tuple[str, ...]] = {}
LAW = Law(
    "gemm",
    ("m", "n", "k"),
    {},
    tuple(PARAMETERS),
    tuple(PARAMETERS.values()),
    work,
    time_s,
    features,
    _NO_CATEGORIES,
)
