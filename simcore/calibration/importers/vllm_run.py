"""A recorded vLLM run: `requests.jsonl` (every timestamp), `meta.json` (engine arguments), `timeseries.csv` (queue)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError
from simcore.spec.base import MOST_COUNT, MOST_FLOAT
from simcore.spec.load import json_of, read_text
from simcore.spec.traffic import Trace
from simcore.unit_text import found_text

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """What the run measured, `[requests]`, and its queue at each second, `[seconds]`."""

    ttft_s: Floats
    tpot_s: Floats
    e2e_s: Floats
    waiting: Floats
    running: Floats


@dataclass(frozen=True)
class VllmRun:
    """`trace` and `engine` are all that a replay reads; `measured` is for the comparison."""

    trace: Trace
    engine: dict[str, Any]
    """what the run states of its engine, under vLLM's names and those of `STATED`; what is not stated is absent"""
    model: str
    device: str
    measured: Measured


STATED = {
    "kv_blocks": ("kv_cache.num_gpu_blocks", "engine_kwargs.num_gpu_blocks_override", "cache.num_gpu_blocks"),
    "kv_tokens": ("kv_cache.num_kv_tokens",),
    "kv_bytes": ("kv_cache.kv_cache_memory_bytes", "engine_kwargs.kv_cache_memory_bytes"),
    "block_tokens": ("kv_cache.block_size", "engine_kwargs.block_size", "cache.block_size"),
    "memory_fraction": (
        "kv_cache.gpu_memory_utilization",
        "engine_kwargs.gpu_memory_utilization",
        "cache.gpu_memory_utilization",
    ),
    "prefix_caching": (
        "kv_cache.enable_prefix_caching",
        "engine_kwargs.enable_prefix_caching",
        "cache.enable_prefix_caching",
    ),
    "async_scheduling": ("scheduler.async_scheduling", "engine_kwargs.async_scheduling"),
    "max_num_seqs": ("engine_kwargs.max_num_seqs", "scheduler.max_num_seqs"),
    "max_num_batched_tokens": ("engine_kwargs.max_num_batched_tokens", "scheduler.max_num_batched_tokens"),
    "chunk_tokens": ("scheduler.long_prefill_token_threshold", "engine_kwargs.long_prefill_token_threshold"),
    "graph_sizes": ("compilation.cudagraph_capture_sizes",),
    "device_memory_bytes": ("hardware.device_total_memory_bytes",),
    "vllm_version": ("meta.vllm_version",),
}
"""where `meta.json` may say something, in the order of trust (`cache`, `scheduler`, `compilation`: resolved blocks)"""


def read_vllm_run(folder: Path) -> VllmRun:
    """Read a run; raises InputError with file and line for what is missing or malformed."""
    rows = _rows(folder / "requests.jsonl")
    meta = _json(folder / "meta.json")
    return VllmRun(
        trace=_trace(rows, str(folder / "requests.jsonl")),
        engine=stated_engine(meta, str(folder / "meta.json")),
        model=str(meta["model"]),
        device=str(_block(meta, "hardware").get("device_name") or folder.resolve().name.split("_")[0]),
        measured=_measured(rows, folder / "timeseries.csv"),
    )


def _rows(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        raise InputError("is not there", file=str(file), fix="give a folder with requests.jsonl and meta.json")
    rows = []
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json_of(line)
            if not isinstance(row, dict):
                raise ValueError("it is no table")
            rows.append({key: _number(row, key) for key in KEYS})
            odd = next((f"{key} is {row[key]!r}" for key in row if _below_zero(row[key])), None)
            if odd:
                raise ValueError(odd)
        except (ValueError, OverflowError, RecursionError) as error:
            raise InputError(f"not a request: {error}", file=f"{file}:{number}") from None
        if not all(map(math.isfinite, rows[-1].values())) or min(rows[-1]["input_toks"], rows[-1]["output_toks"]) < 1:
            raise InputError("needs finite times and at least one input and output token", file=f"{file}:{number}")
        times = [rows[-1][key] for key in ("queued_ts", "first_token_ts", "last_token_ts")]
        if times[0] < 0 or sorted(times) != times:
            raise InputError(
                "a time below 0, or a token before its request or the one before it", file=f"{file}:{number}"
            )
    if not rows:
        raise InputError("holds no requests", file=str(file))
    return sorted(rows, key=lambda row: row["queued_ts"])


def _below_zero(value: Any) -> bool:
    return isinstance(value, int | float) and value < 0


KEYS = ("input_toks", "output_toks", "queued_ts", "first_token_ts", "last_token_ts")


def _number(row: dict[str, Any], key: str) -> float:
    """A number of a request; raises ValueError where there is none."""
    value = row.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{key} is {found_text(value)}, not a number")
    return float(value)


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json_of(read_text(file))
    except (ValueError, RecursionError) as error:
        raise InputError(f"cannot be read: {error}", file=str(file)) from None
    if not isinstance(found, dict) or not found.get("model") or not isinstance(found.get("engine_kwargs"), dict):
        raise InputError("has no model or no engine_kwargs", file=str(file))
    return dict(found)


def _column(rows: list[dict[str, Any]], key: str) -> Floats:
    return np.array([row[key] for row in rows])


def _trace(rows: list[dict[str, Any]], source: str) -> Trace:
    queued_s = _column(rows, "queued_ts")
    tokens = [_column(rows, key).astype(np.int64) for key in ("input_toks", "output_toks")]
    return Trace(queued_s - queued_s[0], tokens[0], tokens[1], source=source)


def _block(parent: dict[str, Any], name: str) -> dict[str, Any]:
    """A block of `meta.json`; empty where it is absent, null or not a block."""
    found = parent.get(name)
    return dict(found) if isinstance(found, dict) else {}


def stated_engine(meta: dict[str, Any], file: str) -> dict[str, Any]:
    """Engine arguments as stated, `STATED` and counts checked; raises InputError for one that is no number."""
    resolved = _block(meta, "resolved_config")
    for name in ("resolved_config", "engine_kwargs"):
        _check_numbers(_block(meta, name), file, name)
    blocks = {name: _block(meta, name) for name in ("engine_kwargs", "kv_cache", "hardware")} | {"meta": meta}
    for name in ("cache", "scheduler", "compilation", "parallel", "model"):
        blocks[name] = _block(resolved, f"{name}_config")
    parallel = {
        key: value for key, value in blocks["parallel"].items() if key.endswith(("_parallel_size", "_parallel"))
    }
    engine = {key: value for key, value in (parallel | blocks["engine_kwargs"]).items() if value is not None}
    for name, places in STATED.items():
        values = [blocks[block].get(key) for block, key in (place.split(".") for place in places)]
        engine.pop(name, None)
        for place, value in reversed([*zip(places, values, strict=True)]):
            if value is not None:
                _check_stated(name, value, file, place)
                engine[name] = value
    for name, value in (*parallel.items(), *engine.items()):
        if name.endswith("_parallel_size") and value is not None:
            _check_stated(name, value, file, name)
    return engine


def _check_numbers(value: Any, file: str, place: str) -> None:
    """Raise InputError for a setting that no server has: infinite, or below the -1 that stands for none."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            _check_numbers(inner, file, f"{place}.{key}")
    elif isinstance(value, int | float) and not -1 <= value <= MOST_FLOAT:
        raise InputError(f"{value!r} is no setting of a server", file=file, key=place, fix="mend the recorded run")


def _check_stated(name: str, value: Any, file: str, place: str) -> None:
    """Raise InputError for a value that cannot be meant, also where another block's is the one that is read."""
    if name in COUNTS or name.endswith("_parallel_size"):
        if not _is_count(value, least=0 if name == "chunk_tokens" else 1):
            raise InputError(f"{name} is {value!r}, not a count", file=file, key=place)
    elif name in NUMBERS:
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= MOST_FLOAT:
            raise InputError(f"{name} is {value!r}, not a number above zero", file=file, key=place)
    elif name == "graph_sizes" and not (isinstance(value, list) and all(_is_count(size, least=1) for size in value)):
        raise InputError(f"graph_sizes is {value!r}, not a list of counts", file=file, key=place)


NUMBERS = ("kv_bytes", "memory_fraction", "device_memory_bytes")
COUNTS = ("kv_blocks", "kv_tokens", "block_tokens", "max_num_seqs", "max_num_batched_tokens", "chunk_tokens")


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST_COUNT


def _series(path: Path) -> Any:
    """The columns of a time series; raises InputError for what is no table of numbers."""
    try:
        return np.genfromtxt(path, delimiter=",", names=True, encoding="utf-8")
    except (ValueError, OSError, IndexError):
        raise InputError("is no table of numbers", file=str(path), fix="mend the table") from None


def _measured(rows: list[dict[str, Any]], series: Path) -> Measured:
    queued_s, first_s, last_s = (_column(rows, key) for key in ("queued_ts", "first_token_ts", "last_token_ts"))
    gaps = np.maximum(_column(rows, "output_toks") - 1, 1)
    waiting, running = np.zeros(0), np.zeros(0)
    if series.is_file():
        table = _series(series)
        if not {"waiting", "running"} <= set(table.dtype.names or ()):
            raise InputError("has no columns waiting and running", file=str(series))
        for name in table.dtype.names or ():
            if np.isinf(table[name]).any() or (table[name] < 0).any():
                raise InputError("is not a number from 0", file=str(series), key=name, fix="leave the row out")
        waiting, running = np.atleast_1d(table["waiting"]), np.atleast_1d(table["running"])
        if not all(np.isfinite(column).all() and (column >= 0).all() for column in (waiting, running)):
            raise InputError("waiting or running is not a number from 0", file=str(series), fix="leave the row out")
    return Measured(first_s - queued_s, (last_s - first_s) / gaps, last_s - queued_s, waiting, running)
