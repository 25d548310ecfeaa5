"""The fleet of a scenario file as the engine's plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scenarios.settings import settings_of
from scenarios.steps import clocked_steps
from scenarios.transfer import transfer_of
from simcore.errors import InputError, said_in


def fleet_plan(ready: Any) -> Any:
    """Pools resolved one by one: each has the scenario's model, and its own hardware, plan and policy where given."""
    from simcore.engine.fleet import Autoscale, Failure, FleetPlan, Roles

    scenario = ready.scenario
    part = scenario.fleet
    return FleetPlan(
        tuple(resolved(own, one) for own, one in zip(ready.pools, part.pools, strict=True)),
        router=scenario.policy.router,
        decode_router=part.decode_router,
        transfer=transfer_of(ready, ready.pools),
        first_token=part.first_token,
        failures=tuple(Failure(f.at_s, f.replica, f.down_s) for f in part.failures),
        autoscale=Autoscale(**part.autoscale.model_dump()) if part.autoscale else None,
        roles=roles(scenario, Roles) if part.roles else None,
        clocking=clocking(scenario),
    )


def clocking(scenario: Any) -> Any:
    """The power policy of a scenario; its latency bounds are those of the SLO."""
    from simcore.engine.fleet import Clocking
    from simcore.policy.power import PowerLimits, power_policies

    part, slo = scenario.power, scenario.slo
    if part is None:
        return None
    infinite = float("inf")
    if part.policy in ("cap", "polca") and part.cap is None:
        raise InputError(f"policy {part.policy!r} needs a cap", file=scenario.file, key="power.cap")
    if part.policy == "slo-slack" and slo.tpot_s is None and slo.ttft_s is None:
        raise InputError("policy 'slo-slack' needs a bound", file=scenario.file, key="slo")
    power_policies(part.policy)
    with said_in(scenario.file):
        limits = PowerLimits(
            part.clock_ratios,
            part.prefill_level,
            part.decode_level,
            infinite if part.cap is None else part.cap,
            infinite if slo.ttft_s is None else slo.ttft_s,
            infinite if slo.tpot_s is None else slo.tpot_s,
            part.high_ratio,
            part.low_ratio,
        )
    return Clocking(limits, part.policy, part.interval_s, part.latency_s)


def roles(scenario: Any, build: Any) -> Any:
    """The role policy; switching keeps the weights, so that both pools must hold them in the same way."""
    from simcore.policy.roles import RoleLimits

    for pool in scenario.fleet.pools:
        if pool.plan is not None or pool.hardware is not None:
            what = "replicas that change roles have the scenario's hardware and plan"
            raise InputError(
                what, file=scenario.file, key=f"fleet.pools.{pool.name}", fix="leave hardware and plan out"
            )
    values = scenario.fleet.roles.model_dump()
    limits = RoleLimits(**{name: values.pop(name) for name in list(values) if name.startswith(("high_", "low_"))})
    return build(limits, **values)


def one_pool(ready: Any, replicas: int | None = None) -> Any:
    """Equal replicas of a scenario without a fleet, for loops that need one."""
    from simcore.engine.fleet import FleetPlan, Pool

    scenario = ready.scenario
    clocked = clocked_steps(ready.resolved) if ready.resolved is not None else ()
    pool = Pool("main", ready.settings, ready.step_times, replicas or ready.replicas, clocked=clocked)
    return FleetPlan((in_parts(ready, pool),), router=scenario.policy.router, clocking=clocking(scenario))


def pool_ready(ready: Any, one: Any) -> Any:
    """The scenario ready with a pool's own hardware, plan and policy."""
    from scenarios.resolved import deployed
    from scenarios.run import with_resolved

    mine = ready.scenario
    if one.role == "decode" and one.policy is None:
        mine = mine.replace(policy=mine.policy.replace(scheduler="decode-only"))
    if ready.resolved is None:
        if one.plan is not None or one.hardware is not None:
            what = "step times are given: pools cannot have hardware or plans of their own"
            raise InputError(what, file=mine.file, key=f"fleet.pools.{one.name}")
        policy = one.policy or mine.policy
        mine = mine.replace(policy=policy)
        return replace(ready, scenario=mine, settings=settings_of(mine, ready.pool, ready.trace))
    plan = one.plan if one.plan is not None else mine.plan
    mine = mine.model_copy(update={"plan": plan, "policy": one.policy or mine.policy, "fleet": None})
    found = deployed(mine, one.hardware or ready.scenario.hardware, ready.resolved.model).checked()
    if ready.adds is not None:
        found = replace(found, served=found.adding(ready.adds))
    return with_resolved(found, ready.trace)


def resolved(own: Any, one: Any) -> Any:
    """A pool for the engine. Raises InputError where its weights do not fit."""
    from simcore.engine.fleet import Pool

    if own.pool.problem:
        raise InputError(own.pool.problem, file=own.scenario.file, key=f"fleet.pools.{one.name}")
    clocked = () if own.resolved is None else clocked_steps(own.resolved)
    made = Pool(one.name, own.settings, own.step_times, one.count, one.role, one.started, clocked)
    return in_parts(own, made)


def in_parts(ready: Any, pool: Any) -> Any:
    """A pool whose pipeline stages are simulated one by one, where the scenario has micro-batches, or whose
    attention-dp ranks step together. Raises InputError for both at once."""
    ranks = ready.scenario.plan.attention_dp
    if ranks == 1:
        return staged(ready, pool)
    if ready.scenario.policy.microbatches > 1:
        what = f"micro-batches of {ranks} attention-dp ranks are not simulated"
        raise InputError(what, file=ready.scenario.file, key="policy.microbatches", fix="use 1")
    steps = ready.shared_steps
    return replace(pool, step_times=steps.own, shared=steps.shared, padded_tokens=steps.padded_tokens, ranks=ranks)


def staged(ready: Any, pool: Any) -> Any:
    """A pool whose pipeline stages are simulated one by one, where the scenario has micro-batches."""
    scenario = ready.scenario
    parts = scenario.policy.microbatches
    if parts == 1:
        return pool
    times, *lower = (replace(t, idle_w=t.idle_w / parts) for t in (pool.step_times, *pool.clocked))
    shares = stage_shares(ready)
    return replace(pool, step_times=times, clocked=tuple(lower), stage_shares=shares, microbatches=parts)


def stage_shares(ready: Any) -> Any:
    """Share of a step's time in each stage: by layers, of a step that was timed as pp times its fullest stage."""
    stages = ready.scenario.plan.pp
    if ready.resolved is None:
        return (1.0 / stages,) * stages
    layers = ready.resolved.model.layer_count
    fullest = -(-layers // stages)
    counts = [layers // stages + (stage < layers % stages) for stage in range(stages)]
    return tuple(float(count / (stages * fullest)) for count in counts)


def resized(plan: Any, counts: tuple[int, ...]) -> Any:
    """The same fleet with other counts of replicas."""
    pools = (replace(pool, count=count, started=None) for pool, count in zip(plan.pools, counts, strict=True))
    return replace(plan, pools=tuple(pools))


def chips_of(scenario: Any) -> tuple[int, ...]:
    """Chips of one replica of each pool."""
    return tuple((one.plan or scenario.plan).replica_chips for one in scenario.fleet.pools)
