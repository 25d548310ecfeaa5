"""The [attention_ffn] part of a scenario: step times, KV and chips of a group of attention replicas and an FFN pool."""

from __future__ import annotations

from typing import Any


def group_steps(scenario: Any, model: Any, system: Any) -> tuple[Any, int, float, float | None, str | None, Any]:
    """(step times, KV blocks, bytes per block, USD/h of the group, why it does not fit, assumptions)."""
    from scenarios.names import system_of
    from scenarios.run import with_policy
    from simcore.engine.attention_ffn import AttentionFfn, PoolLink, attention_ffn_step_times

    part = scenario.attention_ffn
    check(scenario, model)
    home = part.hardware or scenario.hardware
    there = system_of(scenario, home).value
    attention, attention_plan = physics(scenario, model, system, scenario.plan, scenario.hardware.stack)
    ffn, ffn_plan = physics(scenario, model, there, part.plan, home.stack)
    link = PoolLink(part.bandwidth, part.ffn_bandwidth or part.bandwidth, part.latency_s)
    pools = AttentionFfn(attention, attention_plan, part.replicas, ffn, ffn_plan, link, part.microbatches)
    source = f"attention on {system.chip.name}, FFN on {there.chip.name}"
    times = with_policy(attention_ffn_step_times(pools, scenario.policy.graphs, source=source), scenario.policy)
    blocks, block_bytes, problem = memory_of(scenario, model, pools, system.chip, there.chip)
    chips = (
        (scenario.hardware, system.chip, part.replicas * scenario.plan.replica_chips),
        (home, there.chip, part.plan.replica_chips),
    )
    rents = [chip.money.rental_usd_per_hour if h.usd_per_hour is None else h.usd_per_hour for h, chip, _ in chips]
    money = None if None in rents else sum(rent * count for rent, (_, _, count) in zip(rents, chips, strict=True))
    found = {**system.assumptions(), **there.assumptions()}
    return times, blocks, block_bytes, money, problem, tuple(f"{key}: {text}" for key, text in found.items())


def check(scenario: Any, model: Any) -> None:
    """Both plans must be ones that the composition covers. Raises InputError."""
    from simcore.errors import InputError

    for key, plan in (("plan", scenario.plan), ("attention_ffn.plan", scenario.attention_ffn.plan)):
        problem = plan.problem(model) if key == "plan" or model.is_moe else None
        if problem:
            raise InputError(problem, file=scenario.file, key=key)
        for degree in ("pp", "cp", "attention_dp"):
            if getattr(plan, degree) > 1:
                raise InputError(
                    f"{degree} is {getattr(plan, degree)}", file=scenario.file, key=key, fix=f"{degree} = 1"
                )
    if scenario.plan.ep > 1:
        raise InputError("attention replicas hold no experts", file=scenario.file, key="plan.ep", fix="ep = 1")


def physics(scenario: Any, model: Any, system: Any, plan: Any, stack: str) -> tuple[Any, Any]:
    """(physics, plan columns) of one side."""
    from hardware_specs.calibrations import cost_model
    from simcore.cost.machine import machine_of
    from simcore.ops.op import plan_columns
    from simcore.spec.policy import ServingPolicy
    from simcore.step.price import Physics

    policy = ServingPolicy(memory_fraction=scenario.policy.memory_fraction, graphs=scenario.policy.graphs)
    weights, experts, activations, kv = plan.formats()
    machine = machine_of(system, weights, experts, activations, policy, kv)
    return Physics(model, machine, cost_model(system.chip, stack), 1.0), plan_columns(plan, {})


def memory_of(scenario: Any, model: Any, pools: Any, chip: Any, there: Any) -> tuple[int, float, str | None]:
    """(KV blocks of all attention replicas, bytes per block and chip, why a side does not fit)."""
    import numpy as np

    from simcore.cost import memory
    from simcore.engine.attention_ffn import attention_side, ffn_side

    policy, plan, far = scenario.policy, pools.attention_plan, pools.ffn_plan
    tokens, sequences = float(policy.token_budget), float(policy.max_running)
    own = attention_side(model)
    parts = (memory.weight_bytes(own, plan), memory.activation_bytes(own, plan, tokens))
    needed = float(np.max(sum(parts) + memory.buffer_bytes(own, plan, sequences, tokens)))
    block = float(np.max(memory.kv_bytes_per_sequence(model, plan, float(policy.block_tokens))))
    have = chip.memory[chip.main_tier].capacity_bytes * policy.memory_fraction - chip.reserve_bytes
    side = ffn_side(model)
    weights = sum(g.count * memory.layer_weight_bytes(side, g, far) for g in side.layers)
    work = memory.activation_bytes(side, far, max(tokens, sequences))
    room = there.memory[there.main_tier].capacity_bytes * policy.memory_fraction - there.reserve_bytes
    over = float(np.max(weights + work)) - room
    if over > 0:
        return 0, block, f"does not fit: the FFN pool misses {over / 1e9:.1f} GB per chip"
    if have - needed < block:
        return 0, block, f"does not fit: an attention replica misses {(needed + block - have) / 1e9:.1f} GB per chip"
    return int((have - needed) // block) * pools.replicas, block, None
