"""Replay a recorded run request by request and say how far off the simulation is.

The replay reads arrivals, lengths and engine arguments; measured columns enter only the comparison at the end.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.calibration.importers.vllm_run import VllmRun
from simcore.cost.step_times import StepTimes
from simcore.engine.serving import ServingRun, serve
from simcore.engine.settings import ReplicaSettings
from simcore.spec.traffic import Trace

Floats = NDArray[np.float64]
METRICS = ("ttft_s", "tpot_s", "e2e_s")
STATISTICS = ("mean", "p50", "p90", "p99")
VLLM_DEFAULTS = {
    "block_tokens": 16,
    "memory_fraction": 0.9,
    "max_num_seqs": 256,
    "max_num_batched_tokens": 2048,
    "prefix_caching": True,
    "async_scheduling": True,
}
"""of vLLM 0.19 serving, where the run does not state them"""
GRAPH_SIZES = (1, 2, 4, *range(8, 257, 8), *range(272, 513, 16))
"""captured batch sizes of vLLM 0.19, where the run does not state them"""


VLLM_RESERVE_BYTES = 1.24e9
"""context, activations and graphs beside weights and KV: what the one recorded run that states its KV size left
(RTX 4090, Llama-3.1-8B, tp 1, 2,048 tokens and 256 sequences a step); more with tensor parallelism"""
VISIBLE_RATIO = 0.989
"""of a GPU's memory, printed in GB and meant in GiB, that CUDA reports: RTX PRO 6000 94.97 of 96 GiB; RTX 4090 0.980"""


def visible_bytes(printed_bytes: float) -> float:
    """Memory that an engine sees on a GPU whose data sheet prints `printed_bytes`."""
    return VISIBLE_RATIO * printed_bytes / 1e9 * 2**30


@dataclass(frozen=True)
class Memory:
    """What decides the KV size where the run does not state it, per chip in bytes."""

    capacity_bytes: float
    weight_bytes: float
    reserve_bytes: float
    kv_bytes_per_token: float


def run_settings(run: VllmRun, memory: Memory) -> ReplicaSettings:
    """The scheduler settings of a recorded vLLM v1 run; KV from the memory fraction where it is not stated."""
    stated = {key: value for key, value in run.engine.items() if value is not None}
    engine = VLLM_DEFAULTS | stated
    block_tokens = int(engine["block_tokens"])
    blocks = stated.get("kv_blocks")
    if blocks is None:
        room_bytes = engine["memory_fraction"] * memory.capacity_bytes - memory.weight_bytes - memory.reserve_bytes
        blocks = max(0.0, room_bytes) // (block_tokens * memory.kv_bytes_per_token)
    return ReplicaSettings(
        scheduler="chunked",
        kv_blocks=int(blocks),
        block_tokens=block_tokens,
        max_running=int(engine["max_num_seqs"]),
        token_budget=int(engine["max_num_batched_tokens"]),
        whole_prompt=False,
        check_prompt=True,
        ahead=bool(engine["async_scheduling"]),
        hash_tokens=block_tokens if engine["prefix_caching"] else 0,
    )


def own_hashes(trace: Trace, block_tokens: int) -> Trace:
    """A trace in which every full block of every request has a hash of its own.

    Nothing is shared between requests, but one that was preempted finds those of its blocks that nobody took since.
    """
    counts = (trace.input_tokens + trace.output_tokens) // block_tokens
    start = np.concatenate([[0], np.cumsum(counts)])
    hashes = np.arange(int(start[-1]))
    return replace(trace, prefix_hashes=hashes, prefix_start=start, prefix_block_tokens=block_tokens)


def replay(run: VllmRun, step_times: StepTimes, settings: ReplicaSettings) -> ServingRun:
    """Serve the run's requests; data-parallel ranks are replicas behind vLLM's balancer (fewest unfinished)."""
    trace = own_hashes(run.trace, settings.hash_tokens) if settings.hash_tokens else run.trace
    ranks = int(run.engine.get("data_parallel_size") or 1)
    return serve(trace, step_times, settings, replicas=ranks, router="least-outstanding")


def compare(run: VllmRun, ours: ServingRun) -> dict[str, Any]:
    """Signed errors in per cent, both sets of statistics, and the queue by second."""
    predicted, measured = _predicted(ours), run.measured
    errors: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name in METRICS:
        got, want = _statistics(predicted[name]), _statistics(getattr(measured, name))
        errors[name] = {key: 100.0 * (got[key] / want[key] - 1.0) for key in STATISTICS}
        values[name] = {"predicted": got, "measured": want}
    return {
        "error_percent": errors,
        "values": values,
        "queue": _queue(ours, measured.waiting),
        "requests": len(run.trace),
        "preemptions": int(ours.replicas["preemptions"].sum()),
    }


def _predicted(ours: ServingRun) -> dict[str, Floats]:
    rows = ours.requests
    gaps = np.maximum(rows["output_tokens"] - 1, 1)
    return {
        "ttft_s": rows["first_token_s"] - rows["arrival_s"],
        "tpot_s": (rows["done_s"] - rows["first_token_s"]) / gaps,
        "e2e_s": rows["done_s"] - rows["arrival_s"],
    }


def _statistics(values: Floats) -> dict[str, float]:
    quantiles = np.percentile(values, [50, 90, 99])
    return {"mean": float(values.mean())} | {f"p{q}": float(v) for q, v in zip((50, 90, 99), quantiles, strict=True)}


def _queue(ours: ServingRun, measured: Floats) -> dict[str, Any]:
    """Requests waiting, mean over each second, beside the recorded ones."""
    if not len(measured):
        return {}
    edges = np.arange(len(measured) + 1, dtype=float)
    predicted = waiting_by_bin(ours, edges)
    return {
        "predicted": [round(float(v), 2) for v in predicted],
        "measured": [float(v) for v in measured],
        "mean_absolute_difference": float(np.abs(predicted - measured).mean()),
        "mean_predicted": float(predicted.mean()),
        "mean_measured": float(measured.mean()),
    }


def waiting_by_bin(ours: ServingRun, edges_s: Floats) -> Floats:
    """Mean number of requests between arrival and first schedule in each bin, from the request records."""
    rows = ours.requests
    begin = rows["arrival_s"]
    end = np.where(rows["scheduled_s"] >= 0, rows["scheduled_s"], np.inf)
    overlap = [
        np.clip(np.minimum(end, b) - np.maximum(begin, a), 0.0, None).sum() for a, b in itertools.pairwise(edges_s)
    ]
    return np.array(overlap) / np.diff(edges_s)
