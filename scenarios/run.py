"""A scenario ready to be served by the event engine: everything looked up, drawn and sized."""

from __future__ import annotations

from dataclasses import field, replace
from functools import cached_property
from typing import Any

import numpy as np

from scenarios.beside import check_overlap
from scenarios.memory import kv_pool
from scenarios.prices import hourly_usd
from scenarios.resolved import Resolved, resolve
from scenarios.settings import settings_of
from scenarios.steps import given_steps, hardware_steps
from scenarios.traffic import needed, slos_of, traffic_of
from simcore.engine.kv_pool import KvPool
from simcore.engine.settings import UNLIMITED
from simcore.errors import InputError
from simcore.kept.lazy import dataclass
from simcore.spec.scenario import Scenario
from simcore.spec.traffic import Slo, Trace
from simcore.step.served import NOTHING, Served
from simcore.step.times import StepTimes

CAPTURED_TOKENS = 512
"""largest step of a captured graph (vLLM, SGLang): up to it all ranks are padded to the fullest"""


@dataclass(frozen=True)
class Ready:
    """Everything resolved: what the engine needs, and what the money needs."""

    scenario: Scenario
    trace: Trace
    step_times: StepTimes
    settings: Any
    slos: tuple[Slo, ...]
    replicas: int
    usd_per_hour: float | None
    """of one replica"""
    infeasible: str | None = None
    assumptions: tuple[str, ...] = ()
    pool: KvPool = field(default_factory=lambda: KvPool(1))
    """KV of one rank of a replica"""
    resolved: Resolved | None = None
    """None where step times are given"""
    adds: Served | None = None
    """what another server than the stack's adds, in all pools of a fleet; None: the stack's own"""

    @property
    def served(self) -> Served:
        """What the server adds."""
        return NOTHING if self.resolved is None else self.resolved.served

    @property
    def criterion(self) -> Any:
        """What a capacity search asks of a run."""
        from simcore.engine.capacity import Criterion

        slo = self.scenario.slo
        infinite = float("inf")
        return Criterion(self.slos, slo.attainment, slo.itl_p99_s or infinite, slo.queue_p50_s or infinite)

    @property
    def models_per_replica(self) -> int:
        """That share its chips."""
        return 1

    def more(self, run: Any, found: dict[str, Any]) -> dict[str, Any]:
        """Figures of a run beside, or instead of, those that are `found`."""
        return {}

    @property
    def chips(self) -> int:
        """Of one replica."""
        group, own = self.scenario.attention_ffn, self.scenario.plan.replica_chips
        return own if group is None else group.replicas * own + group.plan.replica_chips

    @property
    def has_bounds(self) -> bool:
        """Whether the scenario states any bound."""
        slo = self.scenario.slo
        return bool(self.slos) or slo.itl_p99_s is not None or slo.queue_p50_s is not None

    @cached_property
    def fleet(self) -> Any:
        """The plan of the scenario's fleet."""
        from scenarios.fleet import fleet_plan

        return fleet_plan(self)

    @cached_property
    def pools(self) -> tuple[Any, ...]:
        """Each pool of the scenario's fleet, ready as a scenario of its own."""
        from scenarios.fleet import pool_ready

        part = self.scenario.fleet
        return () if part is None else tuple(pool_ready(self, one) for one in part.pools)

    def clients(self, replicas: int) -> Any:
        """The closed loop of the traffic, or None."""
        from simcore.engine.feedback import Clients

        traffic, policy = needed(self.scenario), self.scenario.policy
        users = traffic.users
        if traffic.batch is not None:
            users = traffic.batch * replicas
        return None if users is None else Clients(users, traffic.think_s, self.served.token_s, policy.output_s)

    def run(
        self,
        rate_ratio: float = 1.0,
        replicas: int | None = None,
        log_steps: int = 0,
        pools: tuple[int, ...] | None = None,
    ) -> Any:
        """Serve the traffic, arrivals `rate_ratio` times as fast, with other counts of replicas if given."""
        from simcore.engine.serving import Ranks, serve, serve_clients

        trace = self.trace if rate_ratio == 1.0 else self.trace.scaled(rate_ratio=rate_ratio)
        count, scenario = replicas or self.replicas, self.scenario
        clients, ranks = self.clients(count), scenario.plan.attention_dp
        several = clients is not None and count > 1
        staged = scenario.policy.microbatches > 1
        if scenario.fleet is not None or scenario.power is not None or needed(scenario).wait or several or staged:
            return self._fleet_run(trace, clients, (replicas, pools), log_steps)
        if clients is not None:
            together = Ranks(ranks, scenario.policy.hold_steps)
            return serve_clients(trace, self.step_times, self.settings, clients, together, log_steps)
        sent = read_by_frontend(trace, self.served.token_s, scenario.policy.compile_s)
        if ranks > 1:
            found = self._open_ranks(sent, count, log_steps)
        else:
            router = scenario.policy.router
            found = serve(sent, self.step_times, self.settings, count, router, log_steps, self.slos)
        return sent_at(found, trace)

    def _fleet_run(
        self, trace: Trace, clients: Any, counts: tuple[int | None, tuple[int, ...] | None], log_steps: int
    ) -> Any:
        from scenarios.fleet import one_pool, resized
        from simcore.engine.fleet import serve_fleet

        replicas, pools = counts
        plan = self.fleet if self.scenario.fleet is not None else one_pool(self, replicas)
        if pools is not None:
            plan = resized(plan, pools)
        return serve_fleet(plan, trace, self.slos, clients, needed(self.scenario).wait, log_steps)

    def _open_ranks(self, trace: Trace, replicas: int, log_steps: int) -> Any:
        """Arrivals to the attention-dp ranks of the replicas; those of one step together."""
        from simcore.engine.rank_groups import ROUTERS, Groups, serve_rank_groups

        ranks, router = self.scenario.plan.attention_dp, self.scenario.policy.router
        if replicas > 1 and router not in ROUTERS:
            what = f"router {router!r} does not see {ranks} attention-dp ranks as one replica"
            raise InputError(what, file=self.scenario.file, key="policy.router", fix=f"use {' or '.join(ROUTERS)}")
        groups = Groups(ranks, replicas, router)
        return serve_rank_groups(trace, self.shared_steps, self.settings, groups, log_steps, self.slos)

    @cached_property
    def shared_steps(self) -> Any:
        """What a rank does alone, and the experts' part, which sees the tokens of all ranks."""
        from simcore.engine.ranks import SharedSteps, split_experts
        from simcore.step.times import ZERO

        found = self.resolved
        if found is None or not found.model.is_moe:
            return SharedSteps(self.step_times, StepTimes(ZERO, ZERO, ZERO, ZERO, ZERO))
        padded = CAPTURED_TOKENS if self.scenario.policy.graphs else 0
        times = self.step_times
        if found.served.adds:  # the tokens of the other ranks are counted here, not guessed
            times = hardware_steps(replace(found, served=replace(found.served, peer_share=1.0)))
        return split_experts(times, found.physics(), found.columns, padded)


def read_by_frontend(trace: Trace, token_s: float, start_s: float = 0.0) -> Trace:
    """The trace as the scheduler sees it: a frontend reads prompts one after the other, `token_s` per token, from
    `start_s` on."""
    if token_s == 0.0 or not len(trace):
        return trace
    own = token_s * trace.input_tokens
    done = np.cumsum(own)
    there_s = np.maximum(trace.arrival_s, start_s) if start_s else trace.arrival_s
    return replace(trace, arrival_s=done + np.maximum.accumulate(there_s - (done - own)))


def sent_at(run: Any, trace: Trace) -> Any:
    """The run with the arrivals of the clients, from which latencies count."""
    if run.trace is not trace:
        run.requests["arrival_s"] = trace.arrival_s
    return run


def ready(scenario: Scenario, skip_bad: bool = False) -> Ready:
    """Names to specs, lengths to traces, memory to KV blocks. Raises InputError for bad input."""
    needed(scenario)
    if scenario.models or scenario.jobs:
        from scenarios.models import ready_models

        return ready_models(scenario, skip_bad)
    if scenario.steps is not None:
        return _given(scenario, skip_bad)
    found = resolve(scenario).checked()
    return with_resolved(found, traffic_of(scenario, skip_bad))


def _given(scenario: Scenario, skip_bad: bool) -> Ready:
    """A scenario that states its step times."""
    from simcore.spec.plan import ParallelPlan

    part, steps = scenario.plan, scenario.steps
    assert steps is not None
    check_overlap(scenario)
    plan = part if isinstance(part, ParallelPlan) else ParallelPlan(**part.degrees)
    whole = scenario.model_copy(update={"plan": plan})
    trace, pool = traffic_of(scenario, skip_bad), KvPool(steps.kv_blocks or UNLIMITED)
    settings = settings_of(whole, pool, trace)
    slos = slos_of(scenario, trace.slo_names)
    told = reading(trace)
    return Ready(whole, trace, given_steps(whole), settings, slos, plan.dp, None, assumptions=told, pool=pool)


def with_resolved(found: Resolved, trace: Trace) -> Ready:
    """A scenario whose names are known, with its traffic."""
    scenario = found.scenario
    if scenario.policy.overlap is not None and found.plan.attention_dp > 1:
        what = "the event engine steps attention-dp ranks apart from their experts, and hides nothing between them"
        raise InputError(what, file=scenario.file, key="policy.overlap", fix="estimate it, or leave it out")
    if scenario.attention_ffn is not None:
        from scenarios.attention_ffn import group_steps

        times, pool, rental, notes = group_steps(found)
    else:
        times, pool, rental = hardware_steps(found), kv_pool(found), hourly_usd(found)
        notes = tuple(f"{key}: {text}" for key, text in found.system.assumptions().items())
    return Ready(
        scenario,
        trace,
        times,
        settings_of(scenario, pool, trace),
        slos_of(scenario, trace.slo_names),
        found.plan.dp,
        rental,
        pool.problem,
        (*notes, *too_long(found.model, trace), *reading(trace)),
        pool,
        found,
    )


def reading(trace: Trace) -> tuple[str, ...]:
    """What was concluded in reading a trace: units, blocks, missing arrivals."""
    return tuple(trace.notes.get("reading", ()))


def too_long(model: Any, trace: Trace) -> tuple[str, ...]:
    """A note on requests that exceed the model's context, which servers refuse and the engine serves."""
    most = model.max_context_tokens
    count = 0 if most is None else int(np.sum(trace.input_tokens + trace.output_tokens > most))
    return (f"{count} of {len(trace)} requests exceed the {most:,} tokens of the model's context",) if count else ()


def with_served(known: Ready, adds: Served) -> Ready:
    """The same deployment under a server that adds something else: calibration asks so."""
    assert known.resolved is not None
    mine = replace(known.resolved, served=known.resolved.adding(adds))
    return replace(known, resolved=mine, step_times=hardware_steps(mine), adds=adds)
