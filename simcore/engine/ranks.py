"""Data-parallel ranks that share their experts, fed by arrivals: they step together, each step waits for all.

Before and after every expert layer the ranks exchange their tokens, so that a step lasts as long as the slowest rank's
own part plus the experts' part for the tokens of all; a rank without work takes part with a dummy batch (one token).
Arrivals go to the rank with the smallest 4 waiting + running, as last published (vLLM's internal balancer: counts every
100 ms, and one waiting request more for each it sent since).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import int64, types

from simcore.cost.jit import entry, njit
from simcore.engine.kernels import LOG_TYPE, TIMES_TYPE
from simcore.engine.replica import begin, commit, submit
from simcore.engine.serving import ServingRun, laid_out, names_of
from simcore.engine.settings import ReplicaSettings
from simcore.ops.op import PlanColumns, StepColumns
from simcore.policy.records import STEP
from simcore.policy.router._verbs import REPLICAS_TYPE
from simcore.policy.scheduler._verbs import CACHE_TYPE, COMPOSE_TYPE, HASHES_TYPE, REQUESTS_TYPE
from simcore.spec.traffic import Slo, Trace
from simcore.step.kernel import COMMUNICATION, DENSE_MIXED, DENSE_PURE, lookup
from simcore.step.price import Physics, price
from simcore.step.served import NOTHING
from simcore.step.times import Axis, Floats, StepTimes, Table

PUBLISHED_S = 0.1
"""how often the balancer learns the counts"""
WAITING_WEIGHT = 4


@dataclass(frozen=True)
class SharedSteps:
    """Step times of ranks in lockstep."""

    own: StepTimes
    """of one rank, by its own tokens: everything that it does alone"""
    shared: StepTimes
    """of all ranks together: `dense_*` and `communication` by the sum of their tokens; its other tables are not read"""
    padded_tokens: int = 0
    """up to so many tokens on the fullest rank all are padded to it (captured graphs); above, each sends its own"""


def split_experts(times: StepTimes, physics: Physics, plan: PlanColumns, padded_tokens: int) -> SharedSteps:
    """Step times of one plan with attention-dp ranks (`physics_step_times`) as a rank's own part and the experts'.

    The experts' part is that of their matrices, of sorting tokens to them and of the exchange, by the tokens of all
    ranks.
    """
    ranks = float(np.max(plan.attention_dp))
    axis = Axis(times.dense_pure.x.highest * ranks, linear_count=times.dense_pure.x.linear_count)
    each = np.maximum(axis.knots(), 1.0) / ranks
    pure = _experts_s(physics, plan, StepColumns(decode_sequences=each, kv_tokens=1.0), True)
    mixed = _experts_s(physics, plan, StepColumns(prefill_sequences=np.ones_like(each), prefill_tokens=each), False)

    def rest(table: Table, part_s: Floats) -> Table:
        tokens = np.maximum(table.x.knots(), 1.0) * ranks
        return Table(table.x, np.maximum(table.values - np.interp(tokens, axis.knots(), part_s), 0.0))

    own = replace(
        times,
        dense_pure=rest(times.dense_pure, pure[0]),
        dense_mixed=rest(times.dense_mixed, mixed[0]),
        communication=rest(times.communication, mixed[1]),
    )
    experts = replace(
        times,
        dense_pure=Table(axis, pure[0]),
        dense_mixed=Table(axis, mixed[0]),
        communication=Table(axis, mixed[1]),
    )
    return SharedSteps(own, experts, padded_tokens)


def _experts_s(physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool) -> tuple[Floats, Floats]:
    """Seconds of the experts' work and of their exchange in one step, `[steps]`."""
    priced = price(replace(physics, served=NOTHING), plan, step, graphs)
    work = priced.only(lambda op: op.kind == "moe" or op.name == "expert_combine").sum()
    exchange = priced.only(lambda op: op.name in EXCHANGE).sum()
    steps = np.zeros(np.size(step.tokens))
    return steps + sum(work.values()), steps + sum(exchange.values())


EXCHANGE = ("all_to_all_dispatch", "all_to_all_combine")


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
def _shared_s(replicas: Any, record: Any, padded_tokens: int) -> Any:
    """Seconds of the experts' part of the step that is composed, for the tokens of all ranks."""
    fullest, tokens, chunks = 1, 0, 0
    for at in range(replicas.size):
        own = max(1, replicas[at].step_tokens * replicas[at].pending)
        fullest, tokens = max(fullest, own), tokens + own
        chunks += replicas[at].chunk_count * replicas[at].pending
    if fullest <= padded_tokens:
        tokens = fullest * replicas.size
    table = DENSE_MIXED if chunks > 0 else DENSE_PURE
    return lookup(record, table, float(tokens)) + lookup(record, COMMUNICATION, float(tokens))


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
        int64,
    )
)
def serve_lockstep(
    replicas: Any,
    requests: Any,
    times: Any,
    hashes: Any,
    caches: Any,
    compose: Any,
    log: Any,
    seen: Any,
    padded_tokens: int,
) -> Any:
    """Serve requests that arrive at `arrival_s` (ascending) on ranks in lockstep; returns how many steps it took.

    `times` holds the records of `SharedSteps.own` and `shared`. An arrival during a step is queued before that step
    ends, so that a step composed ahead does not see it.
    """
    arrived, steps, published_s = 0, 0, -np.inf
    while True:
        any_work, end_s = False, 0.0
        for at in range(replicas.size):
            if begin(replicas[at], requests, times, hashes, caches, compose):
                any_work = True
                end_s = max(end_s, replicas[at].step_end_s)
        if any_work:
            end_s += _shared_s(replicas, times[1], padded_tokens)
            steps += 1
        elif arrived == requests.size:
            return steps
        else:
            end_s = max(replicas[0].now_s, requests[arrived].arrival_s)
        while arrived < requests.size and requests[arrived].arrival_s <= end_s:
            now_s = requests[arrived].arrival_s
            if now_s - published_s >= PUBLISHED_S:
                _publish(replicas, seen)
                published_s = now_s
            chosen = _least_loaded(seen)
            seen[chosen] += WAITING_WEIGHT
            requests[arrived].replica = chosen
            submit(replicas[chosen], requests, arrived, now_s)
            arrived += 1
        for at in range(replicas.size):
            if replicas[at].pending == 1:
                replicas[at].step_end_s = end_s
                commit(replicas[at], requests, times, hashes, caches, log)
            replicas[at].now_s = end_s


def serve_ranks(
    trace: Trace,
    steps: SharedSteps,
    settings: ReplicaSettings,
    ranks: int,
    log_steps: int = 0,
    slos: tuple[Slo, ...] = (),
) -> ServingRun:
    """Serve `trace` on `ranks` that share their experts, each with `settings` of its own; `slos` give deadlines.

    Wrong where the experts' part does not add to the slowest rank's own part: uneven ranks wait for each other in
    every layer, so a step with its chunk on one rank and its long decodes on another takes longer than this.
    """
    from simcore.policy.scheduler import schedulers
    from simcore.step.kernel import pack

    requests, fleet, hashes, caches = laid_out(trace, settings, ranks, slos)
    times = np.concatenate([pack(steps.own), pack(steps.shared)])
    log, seen = np.zeros(log_steps, STEP), np.zeros(ranks, np.int64)
    compose = schedulers(settings.scheduler)
    serve_lockstep(fleet, requests, times, hashes, caches, compose, log, seen, steps.padded_tokens)
    kept = log[: int(fleet["logged"].max(initial=0))]
    return ServingRun(trace, requests, fleet, kept, (), names_of(settings, ranks))
