"""The [attention_ffn] part of a scenario: step times, KV and chips of a group of attention replicas and an FFN pool."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scenarios.memory import home_of, load_of
from scenarios.prices import hourly_usd
from scenarios.resolved import Resolved, deployed, plan_of
from scenarios.steps import with_policy
from simcore.engine.kv_pool import KvPool, pool_of
from simcore.errors import InputError, said_in
from simcore.step.served import Served


def group_steps(found: Resolved) -> tuple[Any, KvPool, float | None, Any]:
    """(step times, KV pool, USD/h of the group, assumptions)."""
    from simcore.engine.attention_ffn import AttentionFfn, PoolLink, attention_ffn_step_times

    scenario = found.scenario
    part = scenario.attention_ffn
    assert part is not None and scenario.hardware is not None
    there = far_side(found)
    check(found, there)
    ffn = replace(there.physics(), served=without_host(there.served))
    link = PoolLink(part.bandwidth, part.ffn_bandwidth or part.bandwidth, part.latency_s)
    pools = AttentionFfn(found.physics(), found.columns, part.replicas, ffn, there.columns, link, part.microbatches)
    source = f"attention on {found.system.chip.name}, FFN on {there.system.chip.name}"
    times = with_policy(attention_ffn_step_times(pools, scenario.policy.graphs, source=source), scenario.policy)
    known = {**found.system.assumptions(), **there.system.assumptions()}
    money = rents(found, there, part.replicas)
    return times, pool_of_group(found, there, pools), money, tuple(f"{key}: {text}" for key, text in known.items())


def without_host(adds: Served) -> Served:
    """What a server adds less what it adds once per step, which the attention side has."""
    return replace(adds, host_s=0.0, mixed_host_s=0.0, other_host_s=0.0, sequence_s=0.0)


def far_side(found: Resolved) -> Resolved:
    """The FFN pool as a deployment of its own."""
    scenario, part = found.scenario, found.scenario.attention_ffn
    assert part is not None and scenario.hardware is not None
    with said_in(scenario.file, "attention_ffn", part.model_fields_set):
        plan, _ = plan_of(part.plan, found.model, scenario.file)
        mine = scenario.model_copy(update={"plan": plan, "attention_ffn": None})
        return deployed(mine, part.hardware or scenario.hardware, found.model, is_whole=False).checked()


def rents(found: Resolved, there: Resolved, replicas: int) -> float | None:
    """USD per hour of the whole group; None where a price is not known."""
    here, other = hourly_usd(found), hourly_usd(there)
    return None if here is None or other is None else replicas * here + other


def check(found: Resolved, there: Resolved) -> None:
    """Both plans must be ones that the composition covers. Raises InputError."""
    file = found.scenario.file
    for key, plan in (("plan", found.plan), ("attention_ffn.plan", there.plan)):
        problem = plan.problem(found.model) if key == "plan" or found.model.is_moe else None
        if problem:
            raise InputError(problem, file=file, key=key)
        for degree in ("pp", "cp", "attention_dp"):
            if getattr(plan, degree) > 1:
                raise InputError(f"{degree} is {getattr(plan, degree)}", file=file, key=key, fix=f"{degree} = 1")
    if found.plan.ep > 1:
        raise InputError("attention replicas hold no experts", file=file, key="plan.ep", fix="ep = 1")


def pool_of_group(found: Resolved, there: Resolved, pools: Any) -> KvPool:
    """KV of all attention replicas together, or why a side does not fit."""
    import numpy as np

    from simcore.cost import memory
    from simcore.cost.cache_pages import cache_pages
    from simcore.engine.attention_ffn import attention_side, ffn_side

    model, policy = found.model, found.scenario.policy
    load = load_of(policy)
    sized = memory.footprint(attention_side(model), pools.attention_plan, load, home_of(found))
    sized = replace(sized, pages=cache_pages(model, pools.attention_plan, policy.block_tokens))
    pool, side, far = pool_of(sized, found.system.chip.main_tier), ffn_side(model), pools.ffn_plan
    other = home_of(there)
    weights = sum(g.count * memory.layer_weight_bytes(side, g, far) for g in side.layers)
    work = memory.activation_bytes(side, far, max(load.step_tokens, float(policy.max_running or 1)))
    room = other.share * other.reported_bytes - other.system_bytes - other.stack.context_bytes
    over = float(np.max(weights + work - room))
    if over > 0:
        return replace(pool, blocks=0, problem=f"does not fit: the FFN pool misses {over / 1e9:.1f} GB per chip")
    if pool.problem:
        missing = (float(np.max(sized.pages.block_bytes - sized.room_bytes))) / 1e9
        return replace(pool, problem=f"does not fit: an attention replica misses {missing:.1f} GB per chip")
    return replace(pool, blocks=pool.blocks * pools.replicas, kv_tokens=(pool.kv_tokens or 0) * pools.replicas)
