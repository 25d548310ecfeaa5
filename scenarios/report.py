"""The summary of a run as its clients see it, with money and power."""

from __future__ import annotations

from typing import Any

import numpy as np

from scenarios.endurance import life
from scenarios.prices import power_usd, prices_of
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
    drawn = power(found, ready, run)
    return found | money(drawn, ready, run) | space(ready) | drawn


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


def groups_of(run: Any, ready: Ready) -> tuple[tuple[Ready, Any], ...]:
    """The run's replicas (`[replicas]` of bool) by what they are: pools of a fleet may differ in plan and hardware."""
    if ready.scenario.fleet is None or run.pool_of is None:
        return ((ready, np.ones(len(run.replicas), np.bool_)),)
    return tuple((own, run.pool_of == number) for number, own in enumerate(ready.pools))


def replica_count(which: Any, ready: Ready) -> float:
    """Replicas of a group: micro-batches, attention-dp ranks and models that share chips are records of their own."""
    parts = ready.scenario.policy.microbatches * ready.scenario.plan.attention_dp * ready.models_per_replica
    return float(np.count_nonzero(which)) / parts


def money(found: dict[str, Any], ready: Ready, run: Any) -> dict[str, Any]:
    """Cost per million output tokens, of all chips while the run lasted; bought ones pay for their power too."""
    tokens = served_tokens(run)
    groups = groups_of(run, ready)
    if not tokens or any(own.usd_per_hour is None for own, _ in groups):
        return {}
    hours = float(run.replicas["now_s"].max()) / 3600.0
    usd = sum(float(own.usd_per_hour or 0.0) * hours * replica_count(which, own) for own, which in groups)
    if ready.resolved is not None:
        usd += power_usd(ready.resolved, found["energy_j_per_token"] * tokens)
    return {"usd_per_million_tokens": usd / tokens * 1e6}


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
    groups = groups_of(run, ready)
    counts = [own.chips * replica_count(which, own) for own, which in groups]
    chips, tokens = sum(counts), served_tokens(run)
    out: dict[str, Any] = {"throughput_per_chip_tokens_per_s": found["throughput_tokens_per_s"] / max(chips, 1.0)}
    out["energy_j_per_token"] = found["energy_j"] / tokens if tokens else None
    end_s = float(run.replicas["now_s"].max(initial=0.0))
    if ready.resolved is None or end_s <= 0.0:
        return out
    between_j = sum(idle_j(run.replicas[which], own, end_s) for own, which in groups)
    chip_w = (found["energy_j"] + between_j) / end_s / chips
    nodes_w = (node_w(own) * count for (own, _), count in zip(groups, counts, strict=True))
    server_w = chip_w + sum(nodes_w) / chips
    pue = prices_of(ready.scenario, ready.resolved.system).pue_ratio
    if tokens:
        out["energy_j_per_token"] = server_w * chips * end_s / tokens
    return out | {"chip_power_w": chip_w, "server_power_w": server_w, "facility_power_w": server_w * pue}


def node_w(ready: Ready) -> float:
    """A chip's share of its node's watts."""
    return 0.0 if ready.resolved is None else float(np.max(ready.resolved.machine.node_w))


def idle_j(replicas: Any, ready: Ready, end_s: float) -> float:
    """What chips take between their steps."""
    busy_s = replicas["busy_s"].reshape(-1, ready.models_per_replica).sum(axis=1)
    return float(np.maximum(end_s - busy_s, 0.0).sum()) * ready.step_times.idle_w
