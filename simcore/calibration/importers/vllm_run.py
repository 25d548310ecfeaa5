"""A recorded vLLM run: `requests.jsonl` (every timestamp), `meta.json` (engine arguments), `timeseries.csv` (queue)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError
from simcore.spec.traffic import Trace

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
    """engine arguments, `kv_blocks` and `device_memory_bytes` (None where the run does not state them),
    `async_scheduling`, `graph_sizes`"""
    model: str
    device: str
    measured: Measured


def read_vllm_run(folder: Path) -> VllmRun:
    """Read a run; raises InputError with file and line for what is missing or malformed."""
    rows = _rows(folder / "requests.jsonl")
    meta = _json(folder / "meta.json")
    return VllmRun(
        trace=_trace(rows, str(folder / "requests.jsonl")),
        engine=_engine(meta),
        model=str(meta["model"]),
        device=str(meta.get("hardware", {}).get("device_name") or folder.name.split("_")[0]),
        measured=_measured(rows, folder / "timeseries.csv"),
    )


def _rows(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        raise InputError("is not there", file=str(file), fix="give a folder with requests.jsonl and meta.json")
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            rows.append({key: row[key] for key in KEYS} | {"line": number})
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise InputError(f"not a request: {error}", file=f"{file}:{number}") from None
    return sorted(rows, key=lambda row: float(row["queued_ts"]))


KEYS = ("input_toks", "output_toks", "queued_ts", "first_token_ts", "last_token_ts")


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"cannot be read: {error}", file=str(file)) from None
    if "model" not in found or "engine_kwargs" not in found:
        raise InputError("has no model or no engine_kwargs", file=str(file))
    return dict(found)


def _column(rows: list[dict[str, Any]], key: str) -> Floats:
    return np.array([float(row[key]) for row in rows])


def _trace(rows: list[dict[str, Any]], source: str) -> Trace:
    queued_s = _column(rows, "queued_ts")
    tokens = [_column(rows, key).astype(np.int64) for key in ("input_toks", "output_toks")]
    return Trace(queued_s - queued_s[0], tokens[0], tokens[1], source=source)


def _engine(meta: dict[str, Any]) -> dict[str, Any]:
    engine = dict(meta["engine_kwargs"])
    resolved = meta.get("resolved_config", {})
    kv = meta.get("kv_cache", {})
    cache, scheduler = resolved.get("cache_config", {}), resolved.get("scheduler_config", {})
    engine["kv_blocks"] = kv.get("num_gpu_blocks")
    engine["block_tokens"] = kv.get("block_size") or cache.get("block_size")
    engine["memory_fraction"] = kv.get("gpu_memory_utilization") or engine.get("gpu_memory_utilization")
    engine["prefix_caching"] = kv.get("enable_prefix_caching")
    engine["async_scheduling"] = scheduler.get("async_scheduling")
    engine["graph_sizes"] = resolved.get("compilation_config", {}).get("cudagraph_capture_sizes")
    engine["vllm_version"] = meta.get("vllm_version")
    engine["device_memory_bytes"] = meta.get("hardware", {}).get("device_total_memory_bytes")
    return engine


def _measured(rows: list[dict[str, Any]], series: Path) -> Measured:
    queued_s, first_s, last_s = (_column(rows, key) for key in ("queued_ts", "first_token_ts", "last_token_ts"))
    gaps = np.maximum(_column(rows, "output_toks") - 1, 1)
    waiting, running = np.zeros(0), np.zeros(0)
    if series.is_file():
        table = np.genfromtxt(series, delimiter=",", names=True)
        waiting, running = np.atleast_1d(table["waiting"]), np.atleast_1d(table["running"])
    return Measured(first_s - queued_s, (last_s - first_s) / gaps, last_s - queued_s, waiting, running)
