"""Serve a trace on replicas behind a router, compiled from end to end: the fast path of open-loop traffic."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from simcore.engine.caches import lay_out
from simcore.engine.feedback import Clients
from simcore.engine.settings import ReplicaSettings
from simcore.engine.step_log import new_log, written
from simcore.kept.lazy import dataclass
from simcore.policy.records import new_replicas, new_requests
from simcore.spec.traffic import Slo, Trace
from simcore.step.times import StepTimes


@dataclass(frozen=True)
class PowerLog:
    """What a power policy did."""

    changes: tuple[tuple[float, int, float, float], ...]
    """(seconds, replica, clock ratio of steps with a chunk, and of steps of decodes alone)"""
    idle_w: tuple[float, ...]
    """of each replica"""


@dataclass(frozen=True)
class ServingRun:
    """The raw records of a run; `simcore.engine.metrics` reads them."""

    trace: Trace
    requests: Any
    """`[requests]`, dtype `simcore.policy.records.REQUEST`"""
    replicas: Any
    """`[replicas]`, dtype REPLICA"""
    log: Any
    """`[steps]`, dtype STEP, as many as were asked for"""
    switches: tuple[tuple[float, int, str], ...] = ()
    """changes of role in a fleet: (seconds, replica, the role it has from then on)"""
    tiers: tuple[tuple[str, ...], ...] = ()
    """names of the tiers below each replica's KV"""
    power: PowerLog | None = None
    """of runs under a power policy"""
    pool_of: Any = None
    """`[replicas]`: which pool of its fleet each belongs to; None where all are alike"""

    @cached_property
    def done(self) -> Any:
        """Which requests were served, `[requests]` of bool."""
        return self.requests["done_s"] >= 0


def request_records(trace: Trace) -> Any:
    """One record per request of a trace."""
    requests = new_requests(len(trace))
    for name in ("arrival_s", "input_tokens", "output_tokens"):
        requests[name] = getattr(trace, name)
    for name in ("session", "priority", "slo_class", "tenant"):
        if getattr(trace, name) is not None:
            requests[name] = getattr(trace, name)
    if trace.prefix_start is not None:
        requests["first_hash"] = trace.prefix_start[:-1]
        requests["hash_count"] = np.diff(trace.prefix_start)
    return requests


def laid_out(
    trace: Trace, settings: ReplicaSettings, replicas: int, slos: tuple[Slo, ...] = ()
) -> tuple[Any, Any, Any, Any]:
    """(requests, replicas of one kind, prefix hashes, caches) of a run about to start."""
    requests = request_records(trace)
    rank_requests(requests, settings, slos)
    fleet = new_replicas(replicas)
    for number in range(replicas):
        settings.fill(fleet[number], seed=number)
    hashes, entries = dense_hashes(trace, settings.hash_tokens > 0)
    return requests, fleet, hashes, lay_out(fleet, entries, [settings] * replicas)


def rank_requests(requests: Any, settings: ReplicaSettings, slos: tuple[Slo, ...] = ()) -> None:
    """Fill deadlines from the SLO classes, and the rank by which the scheduler orders its queue."""
    if slos:
        which = np.minimum(requests["slo_class"], len(slos) - 1)
        requests["deadline_s"] = requests["arrival_s"] + np.array([slo.ttft_s for slo in slos])[which]
    rerank(requests, settings)


def rerank(requests: Any, settings: ReplicaSettings) -> None:
    """Ask the scheduler again for the rank of some requests: all at the start, or one whose arrival was not known."""
    from simcore.policy.program import ranks
    from simcore.policy.scheduler import options_of, rank_of

    rank = rank_of(settings.scheduler)
    if settings.rank:
        requests["rank"] = ranks(settings.rank, requests)
    elif rank is not None:
        requests["rank"] = rank(requests, options_of(settings.scheduler, dict(settings.options)))


def dense_hashes(trace: Trace, wanted: bool) -> tuple[Any, int]:
    """Prefix hashes as small integers, and how many distinct ones there are."""
    if not wanted or trace.prefix_hashes is None or not len(trace.prefix_hashes):
        return np.zeros(0, np.int32), 0
    distinct, dense = np.unique(trace.prefix_hashes, return_inverse=True)
    return dense.astype(np.int32), len(distinct)


def names_of(settings: ReplicaSettings, replicas: int) -> tuple[tuple[str, ...], ...]:
    """Names of the tiers of equal replicas."""
    return (tuple(tier.name for tier in settings.tiers),) * replicas


def serve(
    trace: Trace,
    step_times: StepTimes,
    settings: ReplicaSettings,
    replicas: int = 1,
    router: str = "round-robin",
    log_steps: int = 0,
    slos: tuple[Slo, ...] = (),
) -> ServingRun:
    """Serve `trace` on equal replicas.

    `slos` give deadlines by SLO class. A request that could never fit in a replica's KV is refused, not an error.
    Raises UnknownName for an unknown scheduler or router.
    """
    from simcore.engine.gate import open_loop
    from simcore.policy.addresses import router_address, scheduler_address
    from simcore.policy.router import router_looks
    from simcore.step.packed import pack

    if replicas > 1 and any(tier.shared for tier in settings.tiers):  # they see each other's blocks: a fleet
        from simcore.engine.fleet import FleetPlan, Pool, serve_fleet

        plan = FleetPlan((Pool("main", settings, step_times, replicas),), router=router)
        return serve_fleet(plan, trace, slos, log_steps=log_steps)
    requests, fleet, hashes, caches = laid_out(trace, settings, replicas, slos)
    log = new_log(fleet, log_steps)
    looks = int(router_looks(router))
    compose, route = scheduler_address(settings.scheduler), router_address(router)
    open_loop(fleet, requests, pack(step_times), hashes, caches, compose, route, looks, log)
    return ServingRun(trace, requests, fleet, written(log, fleet), (), names_of(settings, replicas))


@dataclass(frozen=True)
class Ranks:
    """Attention-dp ranks in lockstep, each step as long as the slowest rank's.

    `hold_steps` above zero holds new prompts back until every rank has one, but at most so many steps while all ranks
    decode (TensorRT-LLM's attention-dp balance: `enable_balance`, `timeout_iters`).
    """

    count: int = 1
    hold_steps: int = 0


def serve_clients(
    lengths: Trace,
    step_times: StepTimes,
    settings: ReplicaSettings,
    clients: Clients,
    ranks: int | Ranks = 1,
    log_steps: int = 0,
) -> ServingRun:
    """Serve the requests of `lengths` in order (their arrivals are not read) to a closed loop of clients.

    Each of the `ranks` has `settings` of its own; requests go to the least loaded.
    """
    from simcore.engine.feedback import LOOP
    from simcore.engine.gate import closed_loop
    from simcore.policy.addresses import scheduler_address
    from simcore.step.packed import pack

    together = ranks if isinstance(ranks, Ranks) else Ranks(ranks)
    requests, fleet, hashes, caches = laid_out(lengths, settings, together.count)
    fleet["stop_at_done"] = 1
    log = new_log(fleet, log_steps)
    compose = scheduler_address(settings.scheduler)
    loop = np.array([(clients.users, clients.think_s, clients.token_s, clients.output_s, together.hold_steps)], LOOP)
    read_s, late_s = np.zeros(len(requests)), np.zeros(len(requests))
    closed_loop(fleet, requests, pack(step_times), hashes, caches, compose, log, loop, read_s, late_s)
    for name in ("first_token_s", "last_token_s", "done_s"):
        requests[name] += late_s
    return ServingRun(lengths, requests, fleet, written(log, fleet), (), names_of(settings, together.count))


__all__ = [
    "Clients",
    "Ranks",
    "ServingRun",
    "dense_hashes",
    "rank_requests",
    "request_records",
    "serve",
    "serve_clients",
]
