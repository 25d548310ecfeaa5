"""Whole runs compiled: an open loop over arrivals with a router; and single replicas for callers in Python."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, types

from simcore.cost.jit import addresses_of, entry, from_dtype, njit
from simcore.engine.replica import advance, submit, too_large
from simcore.policy.records import STEP
from simcore.policy.router._verbs import REPLICAS_TYPE
from simcore.policy.scheduler._tiers import clear
from simcore.policy.scheduler._verbs import (
    CACHE_TYPE,
    COMPOSE_SIGNATURE,
    COMPOSE_TYPE,
    HASHES_TYPE,
    REPLICA_TYPE,
    REQUESTS_TYPE,
    pop,
    preempt_after,
)
from simcore.step.kernel import STEP_TIMES_TYPE

TIMES_TYPE = types.Array(STEP_TIMES_TYPE, 1, "C")
LOG_TYPE = types.Array(from_dtype(STEP), 1, "C")


class Composer:
    """A compiled scheduler with type and address at hand: numba works both out at every call with a dispatcher."""

    _numba_type_ = COMPOSE_TYPE

    def __init__(self, compose: Any) -> None:
        self.address = addresses_of(compose, COMPOSE_SIGNATURE)[0]

    def __wrapper_address__(self) -> int:
        """What numba asks of a first-class function."""
        return int(self.address)


@njit(cache=True)
def serve_open(
    replicas: Any,
    requests: Any,
    times: Any,
    hashes: Any,
    caches: Any,
    compose: Any,
    route: Any,
    looks: int,
    log: Any,
) -> None:
    """Serve requests that arrive at `arrival_s` (ascending) whatever happens; `route` picks each one's replica.

    With `looks` every replica is brought up to the arrival before the router sees it; otherwise only the chosen one.
    """
    for number in range(requests.size):
        now_s = requests[number].arrival_s
        if looks == 1:
            for at in range(replicas.size):
                advance(replicas[at], requests, times, hashes, caches, compose, log, now_s)
        chosen = route(replicas, requests, number, hashes, caches)
        requests[number].replica = chosen
        replica = replicas[chosen]
        if looks == 0:
            advance(replica, requests, times, hashes, caches, compose, log, now_s)
        submit(replica, requests, number, now_s)
    for at in range(replicas.size):
        advance(replicas[at], requests, times, hashes, caches, compose, log, np.inf)


@entry(
    types.void(REPLICAS_TYPE, REQUESTS_TYPE, TIMES_TYPE, HASHES_TYPE, CACHE_TYPE, COMPOSE_TYPE, LOG_TYPE, types.float64)
)
def advance_all(
    replicas: Any, requests: Any, times: Any, hashes: Any, caches: Any, compose: Any, log: Any, until_s: float
) -> None:
    """Bring replicas of one scheduler up to a clock in Python's hands."""
    for at in range(replicas.size):
        advance(replicas[at], requests, times, hashes, caches, compose, log, until_s)


@entry(types.boolean(REPLICAS_TYPE, int64, REQUESTS_TYPE, int64, types.float64))
def submit_to(replicas: Any, at: int, requests: Any, number: int, now_s: float) -> Any:
    """`submit` for callers in Python."""
    return submit(replicas[at], requests, number, now_s)


@entry(types.void(REPLICAS_TYPE, REQUESTS_TYPE, types.boolean[:, ::1]))
def fill_holds(replicas: Any, requests: Any, holds: Any) -> None:
    """`holds[replica, request]`: whether the replica's KV could ever take the request with its whole output."""
    for at in range(replicas.size):
        for number in range(requests.size):
            tokens = requests[number].input_tokens + requests[number].output_tokens
            holds[at, number] = not too_large(replicas[at], tokens)


@entry(int64(REPLICA_TYPE, REQUESTS_TYPE, HASHES_TYPE, CACHE_TYPE, types.Array(int64, 1, "C")))
def drain(replica: Any, requests: Any, hashes: Any, cache: Any, out: Any) -> int:
    """A replica fails: its step is lost, its KV and cache are gone; its requests go to `out`. Returns how many."""
    replica.pending = 0
    replica.chunk_count = 0
    replica.swap = 0
    while preempt_after(replica, requests, hashes, cache, -1):
        pass
    count = 0
    while replica.queue_count > 0:
        number = pop(replica, requests)
        request = requests[number]
        request.computed_tokens = 0
        request.swapped = 0
        replica.outstanding -= 1
        replica.outstanding_tokens -= request.input_tokens + request.output_tokens
        out[count] = number
        count += 1
    for row in range(replica.cache_start, replica.cache_start + replica.cache_entries):
        cache[row].resident = 0
        cache[row].references = 0
    clear(replica, cache)
    replica.lru_head = -1
    replica.lru_tail = -1
    replica.evictable_blocks = 0
    replica.free_blocks = replica.kv_blocks
    replica.late_blocks = 0
    replica.late_slots = 0
    return count
