"""What became of each model and job of a run."""

from __future__ import annotations

from typing import Any

import numpy as np


def told(run: Any, ready: Any, found: dict[str, Any]) -> dict[str, Any]:
    """Figures of chips that several models share: of the chips as one, by model, and of the job.

    A replica is busy while any of its models runs. A job's seconds count as busy, its joules as energy.
    """
    each, shared = ready.models_per_replica, ready.shared
    fleet, groups = run.replicas, run.groups
    end_s = max(float(fleet["now_s"].max(initial=0.0)), 1e-9)
    blocks = np.maximum(fleet["kv_blocks"].astype(float), 1.0)
    over = end_s * (len(fleet) / each)
    out: dict[str, Any] = {
        "utilisation_ratio": (float(fleet["busy_s"].sum()) + float(groups["job_alone_s"].sum())) / over,
        "kv_occupancy_ratio": float((fleet["kv_block_s"].sum(axis=1) / blocks).sum()) / over,
        "model_turns": int(groups["turns"].sum()),
        "model_fetches": int(run.models["fetches"].sum()),
        "model_wait_s": float(run.models["waited_s"].sum()),
        "by_model": by_model(run, ready),
    }
    job = shared.job
    if job is not None:
        tokens = float(groups["job_tokens"].sum())
        peak = len(groups) / job.token_s
        out["energy_j"] = found["energy_j"] + float(groups["job_s"].sum()) * job.power_w
        out["jobs"] = {
            job.name: {
                "tokens": tokens,
                "throughput_tokens_per_s": tokens / end_s,
                "peak_tokens_per_s": peak,
                "peak_ratio": tokens / end_s / peak,
            }
        }
    return out


def by_model(run: Any, ready: Any) -> dict[str, dict[str, Any]]:
    """Latencies as servers see them, tokens, fetches and seconds that were waited for weights, copies together."""
    from simcore.engine.metrics import describe, request_metrics

    owners, columns, out = ready.shared.owners, request_metrics(run), {}
    asked, models = owners[run.which], np.tile(owners, len(run.groups))
    for number, member in enumerate(ready.shared.members):
        mine, held = asked == number, run.models[models == number]
        figures: dict[str, Any] = {name: describe(column[mine]) for name, column in columns.items()}
        figures |= {
            "requests": int(mine.sum()),
            "output_tokens": int(run.requests["output_tokens"][mine & run.done].sum()),
            "fetches": int(held["fetches"].sum()),
            "wait_s": float(held["waited_s"].sum()),
            "weight_bytes": member.weight_bytes,
            "fetch_s": member.fetch_s,
        }
        out[member.name] = figures
    return out
