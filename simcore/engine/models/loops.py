"""Requests for several models on replicas that each hold some of them: arrivals, or users in a loop; compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float64, int64, types

from simcore.cost.jit import entry, from_dtype, njit
from simcore.engine.kernels import LOG_TYPE, TIMES_TYPE
from simcore.engine.models.records import GROUP, MODEL
from simcore.engine.models.turns import advance_group
from simcore.engine.replica import submit
from simcore.policy.records import NONE
from simcore.policy.router._verbs import REPLICAS_TYPE
from simcore.policy.scheduler._verbs import CACHE_TYPE, COMPOSE_TYPE, HASHES_TYPE, REQUESTS_TYPE

MODELS_TYPE = types.Array(from_dtype(MODEL), 1, "C")
GROUPS_TYPE = types.Array(from_dtype(GROUP), 1, "C")
SHARED = (REPLICAS_TYPE, MODELS_TYPE, GROUPS_TYPE, REQUESTS_TYPE, int64[::1])
STATE = (TIMES_TYPE, HASHES_TYPE, CACHE_TYPE, COMPOSE_TYPE, LOG_TYPE)


@njit(cache=True)
def group_of(replicas: Any, models: Any, count: int, model: int, turn: int) -> int:
    """The replica for a request of a model: of those that may serve it the `turn`-th, or, where `turn` is below zero,
    the one with the fewest unfinished requests, of equals one that has the weights in its main tier."""
    best, least, has_weights, seen = NONE, 0, 0, 0
    groups = replicas.size // count
    placed = 0
    for group in range(groups):
        placed += models[group * count + model].placed
    for group in range(groups):
        own = models[group * count + model]
        if own.placed == 0:
            continue
        if turn >= 0:
            if seen == turn % placed:
                return group
            seen += 1
            continue
        unfinished = 0
        for at in range(group * count, (group + 1) * count):
            unfinished += replicas[at].outstanding
        if best == NONE or unfinished < least or (unfinished == least and own.resident > has_weights):
            best, least, has_weights = group, unfinished, own.resident
    return best


@njit(cache=True)
def send(replicas: Any, models: Any, requests: Any, which: Any, number: int, now_s: float, how: Any) -> bool:
    """Route one request and hand it over; `how` is (models of a replica, whether replicas take turns)."""
    count, by_turn = how
    group = group_of(replicas, models, count, which[number], number if by_turn == 1 else -1)
    at = group * count + which[number]
    requests[number].replica = at
    for other in range(group * count, (group + 1) * count):
        models[other].blocked = 0
    return bool(submit(replicas[at], requests, number, now_s))


@njit(cache=True)
def advance_groups(
    replicas: Any,
    models: Any,
    groups: Any,
    requests: Any,
    times: Any,
    hashes: Any,
    caches: Any,
    compose: Any,
    log: Any,
    until_s: float,
) -> None:
    """All replicas up to `until_s`."""
    count = replicas.size // groups.size
    for place in range(groups.size):
        low, high = place * count, (place + 1) * count
        own, ours = replicas[low:high], models[low:high]
        advance_group(own, ours, groups[place], requests, times, hashes, caches, compose, log, until_s)


@entry(types.void(*SHARED, *STATE, int64))
def open_models(
    replicas: Any,
    models: Any,
    groups: Any,
    requests: Any,
    which: Any,
    times: Any,
    hashes: Any,
    caches: Any,
    compose: Any,
    log: Any,
    by_turn: int,
) -> None:
    """Serve requests that arrive at `arrival_s` (ascending), each for the model that `which` names."""
    count, reached_s = replicas.size // groups.size, -np.inf
    for number in range(requests.size):
        now_s = requests[number].arrival_s
        if now_s > reached_s:
            advance_groups(replicas, models, groups, requests, times, hashes, caches, compose, log, now_s)
            reached_s = now_s
        send(replicas, models, requests, which, number, now_s, (count, by_turn))
    advance_groups(replicas, models, groups, requests, times, hashes, caches, compose, log, np.inf)


@njit(cache=True)
def next_event_s(replicas: Any, groups: Any, now_s: float) -> Any:
    """When a step ends, or weights are there; infinite if nothing runs."""
    count, soonest_s = replicas.size // groups.size, np.inf
    for place in range(groups.size):
        if groups[place].current == NONE:
            continue
        replica = replicas[place * count + groups[place].current]
        if replica.pending == 1:
            soonest_s = min(soonest_s, float(replica.step_end_s))
        elif replica.outstanding > 0 and replica.now_s > now_s:
            soonest_s = min(soonest_s, float(replica.now_s))
    for at in range(replicas.size):
        if replicas[at].outstanding > 0:
            soonest_s = min(soonest_s, _after(groups[at // count], now_s))
    return soonest_s


@njit(cache=True)
def _after(group: Any, now_s: float) -> Any:
    return float(group.clock_s) if group.clock_s > now_s else np.inf


@njit(cache=True)
def _collected(replicas: Any, requests: Any, done: Any) -> int:
    """Requests that were completed, into `done`, in the order of replicas; how many."""
    count = 0
    for at in range(replicas.size):
        number = replicas[at].done_head
        replicas[at].done_head = replicas[at].done_tail = NONE
        while number != NONE:
            done[count] = number
            count += 1
            number = requests[number].next
    return count


@entry(types.void(*SHARED, *STATE, int64, int64, float64, int64[::1]))
def closed_models(
    replicas: Any,
    models: Any,
    groups: Any,
    requests: Any,
    which: Any,
    times: Any,
    hashes: Any,
    caches: Any,
    compose: Any,
    log: Any,
    by_turn: int,
    users: int,
    think_s: float,
    done: Any,
) -> None:
    """`users` requests at time 0, then the next in order `think_s` after each completion or refusal.

    `done` `[requests]` is scratch; every replica has `stop_at_done`.
    """
    how = (replicas.size // groups.size, by_turn)
    sent, released, clock_s = 0, min(users, requests.size), 0.0
    for number in range(released):
        requests[number].arrival_s = 0.0
    while True:
        while sent < released and requests[sent].arrival_s <= clock_s:
            if not send(replicas, models, requests, which, sent, requests[sent].arrival_s, how):
                released = _release(requests, released, clock_s + think_s)
            sent += 1
        coming_s = requests[sent].arrival_s if sent < released else np.inf
        after_s = min(np.nextafter(clock_s, np.inf), coming_s)
        advance_groups(replicas, models, groups, requests, times, hashes, caches, compose, log, after_s)
        soonest_s = min(next_event_s(replicas, groups, clock_s), coming_s)
        count = _collected(replicas, requests, done)
        if count == 0:
            if soonest_s == np.inf:
                return
            clock_s = soonest_s
            advance_groups(replicas, models, groups, requests, times, hashes, caches, compose, log, clock_s)
            count = _collected(replicas, requests, done)
        for place in range(count):
            released = _release(requests, released, requests[done[place]].done_s + think_s)


@njit(cache=True)
def _release(requests: Any, released: int, at_s: float) -> int:
    """A client sends the next request."""
    if released < requests.size:
        requests[released].arrival_s = at_s
        return released + 1
    return released
