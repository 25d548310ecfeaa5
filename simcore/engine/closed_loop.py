"""The closed loop of a fixed number of users, compiled from end to end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, types

from simcore.cost.jit import njit
from simcore.engine.kernels import LOG_TYPE, TIMES_TYPE
from simcore.engine.replica import advance, begin, commit, submit
from simcore.policy.records import NONE
from simcore.policy.router import REPLICAS_TYPE
from simcore.policy.scheduler._verbs import CACHE_TYPE, COMPOSE_TYPE, HASHES_TYPE, REQUESTS_TYPE


@njit(cache=True)
def _next_done(replica: Any, requests: Any) -> Any:
    """Take the first of the done list; NONE if it is empty."""
    number = replica.done_head
    if number != NONE:
        replica.done_head = requests[number].next
        if replica.done_head == NONE:
            replica.done_tail = NONE
    return int64(number)


@njit(cache=True)
def _least_outstanding(replicas: Any) -> int:
    best = 0
    for at in range(1, replicas.size):
        if replicas[at].outstanding < replicas[best].outstanding:
            best = at
    return best


@njit(cache=True)
def _early(replica: Any, requests: Any, arrived: int, released: int, until_s: float) -> int:
    """Submit what arrives while a step is in flight: it waits for the next composition."""
    while arrived < released and requests[arrived].arrival_s <= until_s:
        requests[arrived].replica = 0
        submit(replica, requests, arrived, requests[arrived].arrival_s)
        arrived += 1
    return arrived


@njit(cache=True)
def _lockstep(replicas: Any, requests: Any, times: Any, hashes: Any, caches: Any, compose: Any, log: Any) -> bool:
    """One step of all ranks, as long as the slowest; False if nobody has work."""
    any_work = False
    end_s = 0.0
    for at in range(replicas.size):
        replica = replicas[at]
        if begin(replica, requests, times, hashes, caches, compose):
            any_work = True
            end_s = max(end_s, replica.step_end_s)
    if not any_work:
        return False
    for at in range(replicas.size):
        replica = replicas[at]
        if replica.pending == 1:
            replica.step_end_s = end_s
            commit(replica, requests, times, hashes, caches, log)
        replica.now_s = end_s
    return True


@njit(
    types.void(
        REPLICAS_TYPE,
        REQUESTS_TYPE,
        TIMES_TYPE,
        HASHES_TYPE,
        CACHE_TYPE,
        COMPOSE_TYPE,
        LOG_TYPE,
        int64,
        types.float64,
    ),
    cache=True,
)
def serve_closed(
    replicas: Any,
    requests: Any,
    times: Any,
    hashes: Any,
    caches: Any,
    compose: Any,
    log: Any,
    users: int,
    think_s: float,
) -> None:
    """`users` requests at time 0, then the next one `think_s` after each completion (or refusal), until none is left.

    Several replicas are attention-dp ranks in lockstep: each step lasts as long as the slowest rank's.
    """
    arrived = 0
    released = min(users, requests.size)
    for number in range(released):
        requests[number].arrival_s = 0.0
    while True:
        now_s = replicas[0].now_s
        while arrived < released and requests[arrived].arrival_s <= now_s:
            chosen = _least_outstanding(replicas)
            requests[arrived].replica = chosen
            if (
                not submit(replicas[chosen], requests, arrived, requests[arrived].arrival_s)
                and released < requests.size
            ):
                requests[released].arrival_s = now_s + think_s
                released += 1
            arrived += 1
        until_s = requests[arrived].arrival_s if arrived < released else np.inf
        if replicas.size == 1:
            if replicas[0].outstanding > 0:
                advance(replicas[0], requests, times, hashes, caches, compose, log, until_s)
            if replicas[0].done_head == NONE:
                if until_s == np.inf:
                    return
                if replicas[0].pending == 0 or replicas[0].outstanding == 0:
                    replicas[0].now_s = max(replicas[0].now_s, until_s)
                else:
                    arrived = _early(replicas[0], requests, arrived, released, until_s)
        elif not _lockstep(replicas, requests, times, hashes, caches, compose, log):
            if until_s == np.inf:
                return
            for at in range(replicas.size):
                replicas[at].now_s = until_s
        for at in range(replicas.size):
            number = _next_done(replicas[at], requests)
            while number != NONE:
                if released < requests.size:
                    requests[released].arrival_s = requests[number].done_s + think_s
                    released += 1
                number = _next_done(replicas[at], requests)
