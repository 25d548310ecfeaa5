"""Step times from Vidur's operator profiles, put together by Vidur's own rules.

Rules (read off its published simulator): a token count is rounded up to a multiple of 8 for every operator except the
KV save; a residual add per layer; decode attention at the integer mean KV length rounded up to 64; prefill attention of
several chunks as one chunk of the root of the sum of squares over the summed past, each past rounded up to 64.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simcore.calibration.importers._base import numbers, read, require
from simcore.errors import InputError
from simcore.kept.values import contents, once, state_of
from simcore.step.times import Axis, Floats, StepTimes, Table

OPERATORS = (
    "input_layernorm",
    "attn_pre_proj",
    "attn_rope",
    "attn_post_proj",
    "post_attention_layernorm",
    "mlp_up_proj",
    "mlp_act",
    "mlp_down_proj",
    "add",
)
MS = 1e-3


def vidur_step_times(mlp_file: Path, attention_file: Path, layers: int, tp: int = 1) -> StepTimes:
    """Read a model's two profiles (milliseconds, medians) into step times for `layers` layers at degree `tp`.

    What was made of two files is kept by their content. Raises InputError.
    """
    if not (mlp_file.is_file() and attention_file.is_file()):
        return _step_times(mlp_file, attention_file, layers, tp)
    how = f"{mlp_file} {attention_file} {layers} {tp} {state_of('simcore/calibration', 'simcore/step')}"
    key = f"vidur {contents(mlp_file, attention_file)} {how}"
    made: StepTimes = once(
        "profiles", key, (StepTimes, Table, Axis), lambda: _step_times(mlp_file, attention_file, layers, tp)
    )
    return made


def _step_times(mlp_file: Path, attention_file: Path, layers: int, tp: int) -> StepTimes:
    mlp = _read(mlp_file, tp, OPERATORS, ("num_tokens",))
    kernels, counts = ("attn_prefill", "attn_decode", "attn_kv_cache_save"), ("batch_size", "kv_cache_size")
    attention = _read(attention_file, tp, kernels, ("prefill_chunk_size", *counts))
    require(attention, ("is_prefill",), attention_file)
    dense = Table(_dense_axis(mlp), layers * _dense_s(mlp, attention))
    prefill = attention[attention.is_prefill]
    decode = attention[~attention.is_prefill]
    by_batch = Axis(128, linear_count=128)
    kv = Axis(4096, unit=64, linear_count=64, round_up=True)
    chunk = Axis(4096, unit=32, linear_count=128)
    past = Axis(8192, unit=64, linear_count=128)
    decode_s = layers * _grid(decode, "batch_size", "attn_decode", by_batch, kv)
    prefill_s = layers * _grid(prefill, "prefill_chunk_size", "attn_prefill", chunk, past)
    decoding = Table(by_batch, decode_s, kv)
    return StepTimes(
        dense_pure=dense,
        dense_mixed=dense,
        prefill=Table(chunk, prefill_s, past),
        decode_pure=decoding,
        decode_mixed=decoding,
        prefill_merge="square",
        source=f"Vidur operator profiles {mlp_file.name}, {attention_file.name}",
    )


def _read(file: Path, tp: int, names: Sequence[str], counts: Sequence[str]) -> Any:
    """Rows of a degree. Raises InputError for a missing file, column or degree, and for a time that is none."""
    rows = read(file)
    rows.columns = [str(name).removeprefix("time_stats.") for name in rows.columns]
    times = [f"{name}.median" for name in names]
    require(rows, ("num_tensor_parallel_workers", *counts, *times), file)
    numbers(rows, ("num_tensor_parallel_workers", *counts), (), file)
    found = rows[rows.num_tensor_parallel_workers == tp]
    if not len(found):
        raise InputError(f"holds no rows of {tp} tensor-parallel workers", file=str(file), key="plan.tp")
    return found


def _dense_axis(mlp: Any) -> Axis:
    highest = int(mlp.num_tokens.max())
    return Axis(highest, linear_count=highest)


def _dense_s(mlp: Any, attention: Any) -> Floats:
    tokens = np.arange(int(mlp.num_tokens.max()) + 1)
    medians = mlp.groupby("num_tokens")[[f"{name}.median" for name in OPERATORS]].median().sum(axis=1)
    rounded = np.interp((tokens + 7) // 8 * 8, medians.index, medians) * MS
    saved = attention.assign(tokens=np.where(attention.is_prefill, attention.prefill_chunk_size, attention.batch_size))
    save = saved.groupby("tokens")["attn_kv_cache_save.median"].median()
    return np.asarray(rounded + np.interp(tokens, save.index, save) * MS)


def _grid(rows: Any, row_key: str, operator: str, row_axis: Axis, kv_axis: Axis) -> Floats:
    """Medians on the lattice: along KV within each profiled row (chunk or batch), then between rows."""
    kv = kv_axis.knots()
    keys, profiles = [], []
    for key, group in rows.groupby(row_key):
        medians = group.groupby("kv_cache_size")[f"{operator}.median"].median()
        keys.append(key)
        profiles.append(_continued(kv, np.asarray(medians.index, dtype=float), np.asarray(medians, dtype=float)))
    at = row_axis.knots()
    stacked = np.array(profiles)
    grid = np.stack([np.interp(at, keys, stacked[:, column]) for column in range(len(kv))], axis=1)
    grid[at == 0] = 0.0
    return np.asarray(grid * MS)


def _continued(at: Floats, x: Floats, y: Floats) -> Floats:
    """Linear interpolation, continued beyond the last point with the slope of the upper half of the data."""
    inside = np.interp(at, x, y)
    if len(x) < 4:
        return inside
    half = len(x) // 2
    slope = max(0.0, float(np.polyfit(x[half:], y[half:], 1)[0]))
    return np.where(at > x[-1], y[-1] + slope * (at - x[-1]), inside)
