"""What the mean TTFT and the mean TPOT of a run consist of, by the records of its requests and steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from scenarios.report import seen_by_clients
from scenarios.run import Ready
from simcore.engine.step_log import is_whole


def time_parts(run: Any, ready: Ready) -> dict[str, dict[str, float]]:
    """Mean seconds of served requests: `ttft` as queue, prefill, front end; `tpot` as steps that only decode, steps
    that prefill others beside, and waiting between steps. Each adds up to its whole.

    The parts of TPOT are means over tokens, not over requests, and need the log of all steps. Without it, and where
    steps make tokens that are not kept (drafts, work done again after a preemption), they are one.
    """
    rows, done = run.requests, run.done
    if not done.any():
        return {}
    clients = seen_by_clients(run, ready)
    seen = rows[done]
    queue_s = float((seen["scheduled_s"] - seen["arrival_s"]).mean())
    prefill_s = float((seen["first_token_s"] - seen["scheduled_s"]).mean())
    rest_s = float(clients["ttft_s"][done].mean()) - queue_s - prefill_s
    ttft = {"queue": queue_s, "prefill": prefill_s, "front end": rest_s}
    return {"ttft": without_nothing(ttft), "tpot": without_nothing(token_parts(run))}


def token_parts(run: Any) -> dict[str, float]:
    """Mean seconds per output token after the first, over all tokens of served requests."""
    seen = run.requests[run.done]
    tokens = float(np.maximum(seen["output_tokens"] - 1, 0).sum())
    if tokens <= 0.0:
        return {}
    whole_s = float((seen["done_s"] - seen["first_token_s"]).sum()) / tokens
    if not is_whole(run.log, run.replicas) or len(seen) < len(run.requests):
        return {"decode": whole_s}
    lasted_s = (run.log["end_s"] - run.log["start_s"]) * run.log["decodes"]
    mixed = run.log["chunks"] > 0
    alone_s, beside_s = float(lasted_s[~mixed].sum()) / tokens, float(lasted_s[mixed].sum()) / tokens
    if alone_s + beside_s > whole_s * (1.0 + 1e-6):  # proposals of a draft, work done again: more tokens than are kept
        return {"decode": whole_s}
    return {
        "decode steps": alone_s,
        "steps with prefill of others": beside_s,
        "between steps": whole_s - alone_s - beside_s,
    }


def without_nothing(parts: dict[str, float]) -> dict[str, float]:
    """Those that take any time."""
    return {name: value for name, value in parts.items() if value > 1e-9}
