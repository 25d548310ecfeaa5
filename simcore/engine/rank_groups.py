"""Replicas of attention-dp ranks behind one router, fed by arrivals; the ranks of a replica step together.

Each step waits for all ranks; one without work takes part with a dummy batch (one token). A request goes to a replica
(the next one, or the one with the fewest unfinished requests), and there to the rank with the smallest 4 waiting +
running, as last published (vLLM's internal balancer: counts every 100 ms, and one waiting request more for each it sent
since). Replicas advance to every arrival, so that the router sees what is there at that time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import float64, int64, types

from simcore.cost.jit import entry, njit
from simcore.engine.kernels import LOG_TYPE, TIMES_TYPE
from simcore.engine.rank_steps import advance_ranks
from simcore.engine.ranks import SharedSteps
from simcore.engine.replica import submit
from simcore.engine.serving import ServingRun, laid_out, names_of
from simcore.engine.settings import ReplicaSettings
from simcore.engine.step_log import new_log, written
from simcore.policy.router import REPLICAS_TYPE
from simcore.policy.scheduler._verbs import CACHE_TYPE, COMPOSE_TYPE, HASHES_TYPE, REQUESTS_TYPE
from simcore.spec.traffic import Slo, Trace

ROUTERS = ("round-robin", "least-outstanding")
"""routers that see a group as one replica"""
PUBLISHED_S = 0.1
"""how often the balancer learns the counts"""
WAITING_WEIGHT = 4


@dataclass(frozen=True)
class Groups:
    """Replicas of equal attention-dp ranks behind a router, one of `ROUTERS`."""

    ranks: int
    """of one replica"""
    count: int = 1
    router: str = "least-outstanding"


@njit(cache=True)
def _least_loaded(seen: Any) -> int:
    best = 0
    for at in range(1, len(seen)):
        if seen[at] < seen[best]:
            best = at
    return best


@njit(cache=True)
def _publish(replicas: Any, seen: Any) -> None:
    for at in range(replicas.size):
        running = replicas[at].decode_count + replicas[at].prefill_count
        seen[at] = WAITING_WEIGHT * replicas[at].queue_count + running


@njit(cache=True)
def _busy(group: Any) -> bool:
    pending = 0
    for at in range(group.size):
        pending += group[at].pending
    return bool(pending > 0)


@njit(cache=True)
def _group_of(replicas: Any, ranks: int, number: int, by_turn: int) -> Any:
    """The next group, or the one with the fewest unfinished requests."""
    groups = replicas.size // ranks
    if by_turn == 1:
        return number % groups
    best, least = 0, -1
    for place in range(groups):
        unfinished = 0
        for at in range(place * ranks, (place + 1) * ranks):
            unfinished += replicas[at].outstanding
        if least < 0 or unfinished < least:
            best, least = place, unfinished
    return best


@entry(
    types.int64(
        REPLICAS_TYPE,
        REQUESTS_TYPE,
        TIMES_TYPE,
        HASHES_TYPE,
        CACHE_TYPE,
        COMPOSE_TYPE,
        LOG_TYPE,
        types.Array(int64, 1, "C"),
        types.Array(float64, 1, "C"),
        types.UniTuple(int64, 2),
    )
)
def serve_groups(
    replicas: Any,
    requests: Any,
    times: Any,
    hashes: Any,
    caches: Any,
    compose: Any,
    log: Any,
    seen: Any,
    published_s: Any,
    how: Any,
) -> Any:
    """Serve requests that arrive at `arrival_s` (ascending); returns how many there were.

    `how` is (ranks of a group, whether groups take turns); `seen` `[replicas]` and `published_s` `[groups]` are what
    balancers know.
    """
    ranks, by_turn = how
    reached_s = -np.inf
    for number in range(requests.size):
        now_s = requests[number].arrival_s
        if now_s > reached_s:
            for low in range(0, replicas.size, ranks):
                group = replicas[low : low + ranks]
                advance_ranks(group, requests, times, hashes, caches, compose, log, now_s)
            reached_s = now_s
        place = _group_of(replicas, ranks, number, by_turn)
        low = place * ranks
        group, counts = replicas[low : low + ranks], seen[low : low + ranks]
        if not _busy(group):
            for at in range(ranks):
                group[at].now_s = max(group[at].now_s, now_s)
        if now_s - published_s[place] >= PUBLISHED_S:
            _publish(group, counts)
            published_s[place] = now_s
        chosen = _least_loaded(counts)
        counts[chosen] += WAITING_WEIGHT
        requests[number].replica = low + chosen
        submit(group[chosen], requests, number, now_s)
    for low in range(0, replicas.size, ranks):
        group = replicas[low : low + ranks]
        advance_ranks(group, requests, times, hashes, caches, compose, log, np.inf)
    return requests.size


def serve_rank_groups(
    trace: Trace,
    steps: SharedSteps,
    settings: ReplicaSettings,
    groups: Groups,
    log_steps: int = 0,
    slos: tuple[Slo, ...] = (),
) -> ServingRun:
    """Serve `trace` on replicas whose ranks each have `settings`; `slos` give deadlines.

    Wrong where the experts' part does not add to the slowest rank's own part: uneven ranks wait for each other in
    every layer, so a step with its chunk on one rank and its long decodes on another takes longer than this.
    """
    from simcore.policy.scheduler import schedulers
    from simcore.step.kernel import pack

    count = groups.ranks * groups.count
    requests, fleet, hashes, caches = laid_out(trace, settings, count, slos)
    times = np.concatenate([pack(steps.own), pack(steps.shared)])
    log, seen = new_log(fleet, log_steps), np.zeros(count, np.int64)
    fleet["shared_times"], fleet["padded_tokens"] = 1, steps.padded_tokens
    how = (groups.ranks, int(groups.router == "round-robin"))
    published_s, compose = np.full(groups.count, -np.inf), schedulers(settings.scheduler)
    serve_groups(fleet, requests, times, hashes, caches, compose, log, seen, published_s, how)
    return ServingRun(trace, requests, fleet, written(log, fleet), (), names_of(settings, count))
