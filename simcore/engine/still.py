"""Fleets that nothing changes while they serve, compiled from end to end: pools, transfers and a closed or open loop.

The same events as `simcore.engine.fleet` drives by SimPy, without SimPy: sends and hand-overs wait in one heap, every
replica moves from step end to step end (`simcore.engine.together`). Failures, scaling, roles, clocks and sessions that
wait for answers stay with SimPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float64, int64, types

from simcore.cost.jit import entry, from_dtype, njit
from simcore.engine.kernels import LOG_TYPE
from simcore.engine.replica import submit, too_large
from simcore.engine.together import SHARED, advance_each, any_done, next_step_end
from simcore.policy.records import NONE, REFUSED, WAITING
from simcore.policy.router._verbs import ROUTE_TYPE

EVENT = np.dtype([("at_s", "f8"), ("order", "i8"), ("number", "i8"), ("decode", "i8")])
"""a request that is sent, or whose KV arrives at the decode pools, at some time"""
FLOW = np.dtype(
    [
        ("entries", "i8"),  # replicas that take arrivals; the others decode
        ("sends_late", "i8"),  # 1: the decode pool sends the first token, when it takes a request in
        ("differs", "i8"),  # 1: some decode replicas could never hold what others can
        ("users", "i8"),  # of a closed loop; 0: requests arrive at their `arrival_s`, ascending
        ("think_s", "f8"),
        ("token_bytes", "f8"),  # of KV that a hand-over moves per token
        ("bytes_per_s", "f8"),
        ("latency_s", "f8"),
        # state
        ("count", "i8"),  # of waiting events
        ("order", "i8"),  # of the next event
        ("released", "i8"),  # requests that were sent
    ]
)
EVENTS_TYPE, FLOW_TYPE = (types.Array(from_dtype(kind), 1, "C") for kind in (EVENT, FLOW))


@njit(cache=True)
def _sooner(a: Any, b: Any) -> bool:
    return bool(a.at_s < b.at_s or (a.at_s == b.at_s and a.order < b.order))


@njit(cache=True)
def _swap(events: Any, a: int, b: int) -> None:
    one, other = events[a], events[b]
    one.at_s, other.at_s = other.at_s, one.at_s
    one.order, other.order = other.order, one.order
    one.number, other.number = other.number, one.number
    one.decode, other.decode = other.decode, one.decode


@njit(cache=True)
def _push(events: Any, flow: Any, at_s: float, number: int, decode: int) -> None:
    """Into the heap, after what is there for the same time."""
    at = flow.count
    flow.count += 1
    event = events[at]
    event.at_s, event.order, event.number, event.decode = at_s, flow.order, number, decode
    flow.order += 1
    while at > 0 and _sooner(events[at], events[(at - 1) // 2]):
        _swap(events, at, (at - 1) // 2)
        at = (at - 1) // 2


@njit(cache=True)
def _drop_first(events: Any, flow: Any) -> None:
    """Out of the heap."""
    flow.count -= 1
    _swap(events, 0, flow.count)
    at = 0
    while True:
        least = at
        for child in (2 * at + 1, 2 * at + 2):
            if child < flow.count and _sooner(events[child], events[least]):
                least = child
        if least == at:
            return
        _swap(events, at, least)
        at = least


@njit(cache=True)
def _release(requests: Any, events: Any, flow: Any, at_s: float) -> None:
    """A user of a closed loop sends the next request."""
    if flow.users > 0 and flow.released < requests.size:
        _push(events, flow, at_s, flow.released, 0)
        flow.released += 1


@njit(cache=True)
def _arrives_s(requests: Any, flow: Any) -> Any:
    """When the next request of an open loop arrives; infinite if there is none."""
    if flow.users > 0 or flow.released >= requests.size:
        return np.inf
    return float64(requests[flow.released].arrival_s)


@njit(cache=True)
def _send(
    replicas: Any, requests: Any, hashes: Any, caches: Any, route: Any, flow: Any, number: int, at_s: float, decode: int
) -> Any:
    """Give a request to the replica that the router picks; False if its KV could never fit there."""
    first, last = (flow.entries, replicas.size) if decode == 1 else (0, flow.entries)
    request = requests[number]
    if decode == 1 and flow.differs == 1:
        for at in range(first, last):
            replicas[at].up = int64(not too_large(replicas[at], request.input_tokens + request.output_tokens))
    at = first + route(replicas[first:last], requests, number, hashes, caches)
    if decode == 1 and flow.differs == 1:
        for other in range(first, last):
            replicas[other].up = 1
    request.replica = at
    if decode == 0:
        request.goal_tokens = 1 if flow.entries < replicas.size else request.output_tokens
    return submit(replicas[at], requests, number, at_s)


@njit(cache=True)
def _hand_over(request: Any, events: Any, flow: Any, free_s: Any, number: int, now_s: float) -> None:
    """A prompt's KV goes over the first channel that is free."""
    request.state, request.done_s = WAITING, -1.0
    tokens = request.input_tokens + request.generated_tokens - 1
    channel = 0
    for at in range(1, free_s.size):
        if free_s[at] < free_s[channel]:
            channel = at
    start_s = max(now_s, free_s[channel])
    free_s[channel] = start_s + (flow.latency_s + tokens * flow.token_bytes / flow.bytes_per_s)
    request.computed_tokens, request.swapped = tokens, 1
    if flow.sends_late == 1:
        request.first_token_s = -1.0
    _push(events, flow, free_s[channel], number, 1)


@njit(cache=True)
def _collect(replicas: Any, requests: Any, events: Any, flow: Any, free_s: Any, now_s: float) -> None:
    """What follows from every request that is done, in the order of replicas."""
    for at in range(replicas.size):
        number = replicas[at].done_head
        replicas[at].done_head = NONE
        replicas[at].done_tail = NONE
        while number != NONE:
            request = requests[number]
            following = request.next
            if request.goal_tokens < request.output_tokens:
                _hand_over(request, events, flow, free_s, number, now_s)
            else:
                _release(requests, events, flow, request.done_s + flow.think_s)
            number = following


@njit(cache=True)
def _send_due(
    replicas: Any,
    requests: Any,
    hashes: Any,
    caches: Any,
    enter: Any,
    decode: Any,
    events: Any,
    flow: Any,
    never: Any,
    now_s: float,
) -> None:
    """Everything that is sent or arrives by now."""
    while True:
        waits_s = events[0].at_s if flow.count > 0 else np.inf
        arrives_s = _arrives_s(requests, flow)
        at_s = min(waits_s, arrives_s)
        if at_s > now_s:
            return
        if arrives_s <= waits_s:
            number, goes_on = flow.released, 0
            flow.released += 1
        else:
            number, goes_on = events[0].number, events[0].decode
            _drop_first(events, flow)
            if goes_on == 0:
                requests[number].deadline_s += at_s - requests[number].arrival_s
                requests[number].arrival_s = at_s
        taken = False
        if goes_on == 0 and never[number]:
            requests[number].state = REFUSED
        elif goes_on == 1:
            requests[number].goal_tokens = requests[number].output_tokens
            taken = _send(replicas, requests, hashes, caches, decode, flow, number, at_s, 1)
        else:
            taken = _send(replicas, requests, hashes, caches, enter, flow, number, at_s, 0)
        if not taken:
            _release(requests, events, flow, at_s + flow.think_s)


@entry(types.void(*SHARED, LOG_TYPE, ROUTE_TYPE, ROUTE_TYPE, EVENTS_TYPE, FLOW_TYPE, float64[::1], boolean[::1]))
def serve_still(
    replicas: Any,
    which: Any,
    requests: Any,
    times: Any,
    hashes: Any,
    caches: Any,
    first: Any,
    second: Any,
    third: Any,
    fourth: Any,
    log: Any,
    enter: Any,
    decode: Any,
    events: Any,
    flows: Any,
    free_s: Any,
    never: Any,
) -> None:
    """Serve every request. `events` `[requests]` is scratch, `free_s` `[channels]` zeros, `never` `[requests]` says who
    fits in no decode pool."""
    flow = flows[0]
    for _ in range(min(flow.users, requests.size)):
        _release(requests, events, flow, 0.0)
    now_s = 0.0
    while True:
        _send_due(replicas, requests, hashes, caches, enter, decode, events, flow, never, now_s)
        for is_end in (False, True):
            if is_end:
                waits_s = events[0].at_s if flow.count > 0 else np.inf
                next_s = min(next_step_end(replicas, now_s), min(waits_s, _arrives_s(requests, flow)))
                if next_s == np.inf:
                    return
                now_s = max(now_s, next_s)
            until_s = now_s if is_end else np.nextafter(now_s, np.inf)
            advance_each(replicas, which, requests, times, hashes, caches, first, second, third, fourth, log, until_s)
            if any_done(replicas):
                _collect(replicas, requests, events, flow, free_s, now_s)
