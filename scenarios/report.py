"""The summary of a run as its clients see it, with money and power."""

from __future__ import annotations

from typing import Any

import numpy as np

from scenarios.endurance import life
from scenarios.estimate import prices_of
from scenarios.run import Ready


def report(run: Any, ready: Ready) -> dict[str, Any]:
    """`simcore.engine.metrics.summary` with what clients see, the classes of the trace, cost, space and power."""
    from simcore.engine.metrics import by_group, middle, summary

    scenario = ready.scenario
    window = middle(run, scenario.warm_ratio, scenario.warm_ratio) if scenario.warm_ratio else None
    found = summary(run, ready.slos, window)
    found |= client(run, ready, window)
    if ready.trace.slo_class is not None:
        groups = by_group(run, "slo_class", ready.slos)
        found["by_class"] = {ready.trace.slo_names[key]: values for key, values in groups.items()}
    found |= ready.more(run, found)
    if ready.resolved is not None:
        end_s = max(float(run.replicas["now_s"].max(initial=0.0)), 1e-9)
        tokens = found["prefill_tokens"] + found["decode_tokens"]
        found |= life(ready.resolved, tokens / end_s / len(run.replicas))
    return found | money(found, ready, run) | space(ready) | power(found, ready, run)


def client(run: Any, ready: Ready, window: Any) -> dict[str, Any]:
    """TTFT, TPOT and E2E with what lies between server and client: grouped tokens, HTTP, detokeniser."""
    from simcore.engine.metrics import counted, describe

    keep = counted(run, window)
    return {name: describe(values[keep]) for name, values in seen_by_clients(run, ready).items()}


def seen_by_clients(run: Any, ready: Ready) -> dict[str, Any]:
    """TTFT, TPOT and E2E of every request where its client stands, `[requests]`, NaN where not served."""
    from simcore.engine.metrics import as_streamed

    policy = ready.scenario.policy
    return as_streamed(run, policy.stream_interval or 1, policy.detokenise_s + ready.served.first_token_s)


def served_tokens(run: Any) -> float:
    """Output tokens of all requests that were served."""
    return float(run.requests["output_tokens"][run.done].sum())


def replica_count(run: Any, ready: Ready) -> float:
    """Replicas of the run: micro-batches, attention-dp ranks and models that share chips are records of their own."""
    parts = ready.scenario.policy.microbatches * ready.scenario.plan.attention_dp * ready.models_per_replica
    return len(run.replicas) / parts


def money(found: dict[str, Any], ready: Ready, run: Any) -> dict[str, Any]:
    """Cost per million output tokens."""
    tokens = served_tokens(run)
    out: dict[str, Any] = {}
    if ready.usd_per_hour is not None and tokens:
        hours = float(run.replicas["now_s"].max()) / 3600.0 * replica_count(run, ready)
        out["usd_per_million_tokens"] = ready.usd_per_hour * hours / tokens * 1e6
    return out


def space(ready: Ready) -> dict[str, Any]:
    """KV pool of a replica, and how many of the trace's mean requests it holds."""
    pool, trace = ready.pool, ready.trace
    context = int(np.ceil(float(trace.input_tokens.mean() + trace.output_tokens.mean()))) if len(trace) else 1
    each = pool.max_concurrency(context)
    ranks = ready.scenario.plan.attention_dp
    return {
        "kv_tokens": pool.kv_tokens,
        "max_concurrency": None if each is None else each * ranks,
        "need_bytes": pool.need_bytes,
        "have_bytes": pool.have_bytes,
    }


def power(found: dict[str, Any], ready: Ready, run: Any) -> dict[str, Any]:
    """Mean watts while the run lasted: of a chip, of its share of a server, of its share of the facility; and the
    server's energy per output token (of the steps alone where step times are given)."""
    chips = ready.chips * replica_count(run, ready)
    tokens = served_tokens(run)
    out: dict[str, Any] = {"throughput_per_chip_tokens_per_s": found["throughput_tokens_per_s"] / max(chips, 1.0)}
    out["energy_j_per_token"] = found["energy_j"] / tokens if tokens else None
    end_s = float(run.replicas["now_s"].max(initial=0.0))
    if ready.resolved is None or end_s <= 0.0:
        return out
    machine, idle = ready.resolved.machine, ready.step_times.idle_w
    busy_s = run.replicas["busy_s"].reshape(-1, ready.models_per_replica).sum(axis=1)
    between_j = float(np.maximum(end_s - busy_s, 0.0).sum()) * idle
    chip_w = (found["energy_j"] + between_j) / end_s / chips
    server_w = chip_w + float(np.max(machine.node_w))
    pue = prices_of(ready.resolved).pue_ratio
    if tokens:
        out["energy_j_per_token"] = server_w * chips * end_s / tokens
    return out | {"chip_power_w": chip_w, "server_power_w": server_w, "facility_power_w": server_w * pue}
