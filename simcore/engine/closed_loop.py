"""The closed loop of a fixed number of users, compiled from end to end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from simcore.cost.jit import njit
from simcore.engine.rank_steps import wakes_s
from simcore.engine.replica import advance, begin, commit, submit
from simcore.policy.records import NONE


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
def _release(requests: Any, read_s: Any, released: int, at_s: float, token_s: float) -> int:
    """A client sends the next request at `at_s`; the frontend reads prompts one after the other."""
    if released >= requests.size:
        return released
    requests[released].arrival_s = at_s
    start_s = max(at_s, read_s[released - 1]) if released > 0 and token_s > 0.0 else at_s
    read_s[released] = start_s + token_s * requests[released].input_tokens
    return released + 1


@njit(cache=True)
def _arrive(replicas: Any, requests: Any, read_s: Any, loop: Any, arrived: int, released: int, until_s: float) -> Any:
    """Submit what arrives by `until_s`; who is refused sends the next request. (arrived, released) afterwards."""
    while arrived < released and read_s[arrived] <= until_s:
        chosen = _least_outstanding(replicas)
        requests[arrived].replica = chosen
        if not submit(replicas[chosen], requests, arrived, read_s[arrived]):
            released = _release(requests, read_s, released, read_s[arrived] + loop.think_s, loop.token_s)
        arrived += 1
    return int64(arrived), int64(released)


@njit(cache=True)
def _decoded_tokens(replicas: Any) -> Any:
    tokens = 0
    for at in range(replicas.size):
        tokens += replicas[at].decode_tokens
    return int64(tokens)


@njit(cache=True)
def _holds(replicas: Any) -> bool:
    """Whether new prompts wait for company: somebody has one, not everybody has, and all decode."""
    waiting = 0
    for at in range(replicas.size):
        if replicas[at].decode_count == 0:
            return False
        waiting += int64(replicas[at].queue_count > 0)
    return bool(0 < waiting < replicas.size)


@njit(cache=True)
def _lockstep(
    replicas: Any, requests: Any, times: Any, hashes: Any, caches: Any, hold: bool, compose: Any, log: Any
) -> bool:
    """One step of all ranks, as long as the slowest; False if nobody has work. `hold`: nobody is admitted."""
    any_work = False
    end_s = 0.0
    for at in range(replicas.size):
        replica = replicas[at]
        most = replica.max_running
        if hold:
            replica.max_running = 0
        if begin(replica, requests, times, hashes, caches, compose):
            any_work = True
            end_s = max(end_s, replica.step_end_s)
        replica.max_running = most
    if not any_work:
        return False
    for at in range(replicas.size):
        replica = replicas[at]
        if replica.pending == 1:
            replica.step_end_s = end_s
            commit(replica, requests, times, hashes, caches, log)
        replica.now_s = end_s
    return True


@njit(cache=True)
def serve_closed(
    replicas: Any,
    requests: Any,
    times: Any,
    hashes: Any,
    caches: Any,
    compose: Any,
    log: Any,
    loop: Any,
    read_s: Any,
    late_s: Any,
) -> None:
    """`users` requests at time 0, then the next one `think_s` after each completion (or refusal), until none is left.

    The frontend takes `token_s` per input token before the scheduler sees a request, one prompt at a time. Several
    replicas are attention-dp ranks in lockstep: each step lasts as long as the slowest rank's. Tokens reach the client
    through the frontend, `output_s` each: `late_s` `[requests]` is what waits there when a request is done;
    `read_s` `[requests]` is scratch.
    """
    users, think_s, token_s = loop[0].users, loop[0].think_s, loop[0].token_s
    arrived = released = held = 0
    behind_s, since_s, tokens = 0.0, 0.0, int64(0)
    for _ in range(min(users, requests.size)):
        released = _release(requests, read_s, released, 0.0, token_s)
    for at in range(released):
        read_s[at] += replicas[0].now_s  # nobody reads before the server has started
    while True:
        now_s = replicas[0].now_s
        arrived, released = _arrive(replicas, requests, read_s, loop[0], arrived, released, now_s)
        until_s = read_s[arrived] if arrived < released else np.inf
        if replicas.size == 1:
            if replicas[0].outstanding > 0:
                advance(replicas[0], requests, times, hashes, caches, compose, log, until_s)
            if replicas[0].done_head == NONE:
                if until_s == np.inf:
                    return
                if replicas[0].pending == 0 or replicas[0].outstanding == 0:
                    replicas[0].now_s = max(replicas[0].now_s, until_s)
                else:
                    arrived, released = _arrive(replicas, requests, read_s, loop[0], arrived, released, until_s)
        else:
            held = held + 1 if held < loop[0].hold_steps and _holds(replicas) else 0
            if not _lockstep(replicas, requests, times, hashes, caches, held > 0, compose, log):
                until_s = min(until_s, wakes_s(replicas, now_s))
                if until_s == np.inf:
                    return
                for at in range(replicas.size):
                    replicas[at].now_s = until_s
        decoded = _decoded_tokens(replicas)
        behind_s = max(0.0, behind_s + (decoded - tokens) * loop[0].output_s - (replicas[0].now_s - since_s))
        since_s, tokens = replicas[0].now_s, decoded
        for at in range(replicas.size):
            number = _next_done(replicas[at], requests)
            while number != NONE:
                late_s[number] = behind_s
                released = _release(requests, read_s, released, requests[number].done_s + behind_s + think_s, token_s)
                number = _next_done(replicas[at], requests)
