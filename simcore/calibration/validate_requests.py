"""Replay a recorded run request by request and say how far off the simulation is.

The replay reads arrivals, lengths and engine arguments; measured columns enter only the comparison at the end.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.calibration.importers.vllm_run import VllmRun
from simcore.calibration.vllm_engine import Ranks
from simcore.engine.rank_groups import Groups, serve_rank_groups
from simcore.engine.ranks import SharedSteps
from simcore.engine.serving import ServingRun, serve
from simcore.engine.settings import ReplicaSettings
from simcore.errors import InputError
from simcore.spec.traffic import Trace, block_starts
from simcore.step.times import StepTimes

Floats = NDArray[np.float64]
METRICS = ("ttft_s", "tpot_s", "e2e_s")
STATISTICS = ("mean", "p50", "p90", "p99")
ONE_RANK = Ranks()


def own_hashes(trace: Trace, block_tokens: int) -> Trace:
    """A trace in which every full block of every request has a hash of its own.

    Nothing is shared between requests, but one that was preempted finds those of its blocks that nobody took since.
    """
    counts = (trace.input_tokens + trace.output_tokens) // block_tokens
    start = block_starts(counts, trace.source)
    hashes = np.arange(int(start[-1]))
    return replace(trace, prefix_hashes=hashes, prefix_start=start, prefix_block_tokens=block_tokens)


def replay(
    run: VllmRun, step_times: StepTimes | SharedSteps, settings: ReplicaSettings, ranks: Ranks = ONE_RANK
) -> ServingRun:
    """Serve the run's requests on its data-parallel ranks.

    Ranks of a dense model are engines of their own, to which vLLM's front end sends requests in turn (they publish no
    counts); ranks of a mixture of experts step together. Raises InputError for requests that no rank's KV could hold.
    """
    trace = own_hashes(run.trace, settings.hash_tokens) if settings.hash_tokens else run.trace
    if isinstance(step_times, SharedSteps):
        ours = serve_rank_groups(trace, step_times, settings, Groups(ranks.dp))
    else:
        ours = serve(trace, step_times, settings, replicas=ranks.dp, router="round-robin")
    unserved = int((~ours.done).sum())
    if unserved:
        what = f"{unserved} of {len(trace)} requests do not fit the KV of {settings.kv_blocks} blocks"
        raise InputError(f"{what} of {settings.block_tokens} tokens", fix="check the chip, the model and the KV size")
    return ours


def compare(run: VllmRun, ours: ServingRun) -> dict[str, Any]:
    """Signed errors in per cent, both sets of statistics, and the queue by second."""
    predicted, measured = times_of(ours), run.measured
    errors: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name in METRICS:
        got, want = _statistics(predicted[name]), _statistics(getattr(measured, name))
        errors[name] = {key: 100.0 * (got[key] / want[key] - 1.0) if want[key] else np.nan for key in STATISTICS}
        values[name] = {"predicted": got, "measured": want}
    return {
        "error_percent": errors,
        "values": values,
        "queue": _queue(ours, measured.waiting),
        "requests": len(run.trace),
        "preemptions": int(ours.replicas["preemptions"].sum()),
    }


def times_of(ours: ServingRun) -> dict[str, Floats]:
    """TTFT, TPOT and end-to-end time of every request, `[requests]` each."""
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
