"""The policy of a scenario as replica settings of the event engine."""

from __future__ import annotations

from typing import Any

from scenarios.traffic import hash_tokens
from simcore.engine.kv_pool import KvPool
from simcore.engine.settings import UNLIMITED, ReplicaSettings
from simcore.errors import InputError
from simcore.spec.scenario import Scenario
from simcore.spec.traffic import Trace

SAME = (
    "block_tokens",
    "watermark_blocks",
    "whole_prompt",
    "ahead",
    "batch_wait_s",
    "draft_tokens",
    "draft_width",
    "acceptance_ratio",
    "draft_s",
)
"""fields with the same name on both sides"""
PLAIN = {"scheduler": "chunked", "token_budget": 8192, "max_running": 256, "reserve_output": False}
"""where step times are given and no stack decides"""


def settings_of(scenario: Scenario, pool: KvPool, trace: Trace) -> ReplicaSettings:
    """Raises InputError for micro-batches without stages, and for tiers or a cache that the traffic cannot fill."""
    policy = scenario.policy
    parts = policy.microbatches
    if parts > 1 and scenario.plan.pp == 1:
        what = f"{parts} micro-batches need pipeline stages"
        raise InputError(what, file=scenario.file, key="policy.microbatches", fix="set plan.pp above 1")
    decided = {name: plain if (v := getattr(policy, name)) is None else v for name, plain in PLAIN.items()}
    decided["max_running"] = -(-int(str(decided["max_running"])) // parts)
    swap = policy.swap_bandwidth
    return ReplicaSettings(
        **{name: getattr(policy, name) for name in SAME},
        **decided,  # type: ignore[arg-type]
        options=tuple(policy.options.items()),
        rank=policy.rank or "",
        prefill_budget=policy.prefill_budget or UNLIMITED,
        chunk_tokens=policy.chunk_tokens or UNLIMITED,
        **pool.settings(parts),
        eviction=policy.evict,
        hash_tokens=hash_tokens(scenario, trace) if policy.prefix_cache else 0,
        radix=policy.prefix_cache == "radix",
        tiers=tiers_of(scenario, pool, trace),
        offload=policy.offload,
        swap=swap is not None,
        start_s=policy.compile_s,
        draft_seed=scenario.seed,
        swap_s_per_block=pool.page_bytes / swap if swap else 0.0,
    )


def tiers_of(scenario: Scenario, pool: KvPool, trace: Trace) -> tuple[Any, ...]:
    """The tiers below the prefix cache, sized and timed in hashes."""
    from simcore.policy.offload import Tier

    policy = scenario.policy
    key = "policy.tiers" if policy.tiers else "policy.offload_capacity"
    if not policy.tiers and policy.offload_capacity is None:
        return ()
    if not pool.page_bytes:
        raise InputError("needs [model] and [hardware] to size KV", file=scenario.file, key=key)
    size = pool.shared_bytes * scenario.plan.tp * hash_tokens(scenario, trace) / policy.block_tokens
    parts = policy.microbatches
    if policy.offload_capacity is not None and policy.offload_bandwidth is not None:
        return (Tier("offload", int(policy.offload_capacity // size) // parts, size / policy.offload_bandwidth),)
    return tuple(
        Tier(
            t.name,
            int(t.capacity // size) // (1 if t.shared else parts),
            size / t.read,
            size / (t.write or t.read),
            t.latency_s,
            t.shared,
        )
        for t in policy.tiers
    )
