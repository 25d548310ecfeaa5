"""Replicas of any scheduler advanced together, step by step, to the first completion: what feedback needs.

In a closed loop a completion anywhere causes an arrival somewhere, so no replica may run ahead of another's next
completion. Here all of them move from one step end to the next; a fleet without feedback does not pay for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float64, int64, types

from simcore.cost.jit import entry, njit
from simcore.engine.kernels import LOG_TYPE, TIMES_TYPE, Composer
from simcore.engine.rank_steps import advance_ranks
from simcore.engine.replica import advance
from simcore.errors import InputError
from simcore.policy.records import NONE
from simcore.policy.router._verbs import REPLICAS_TYPE
from simcore.policy.scheduler._verbs import CACHE_TYPE, COMPOSE_TYPE, HASHES_TYPE, REQUESTS_TYPE

SCHEDULERS = 4
"""most different schedulers in one fleet with feedback (arguments of the compiled loop)"""
SHARED = (REPLICAS_TYPE, int64[::1], REQUESTS_TYPE, TIMES_TYPE, HASHES_TYPE, CACHE_TYPE, *(COMPOSE_TYPE,) * SCHEDULERS)


@njit(cache=True)
def enter_stages(replica: Any, leader: Any) -> None:
    """A step that has just begun goes through its pipeline: each stage when it is free and the one before has ended.

    Replicas that share a leader are the micro-batches of one pipeline; its stages serve them in order of arrival.
    """
    replica.staged = replica.steps + 1
    replica.length_s = 0.0
    length_s = replica.step_end_s - replica.step_start_s
    at_s = max(replica.step_start_s, leader.stage_free_s[0])
    replica.step_start_s = at_s
    for stage in range(replica.stages):
        at_s = max(at_s, leader.stage_free_s[stage]) + length_s * replica.stage_share[stage]
        leader.stage_free_s[stage] = at_s
    replica.step_end_s = at_s


@njit(cache=True)
def advance_each(
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
    until_s: float,
) -> None:
    """Bring every replica up to `until_s`, each with the scheduler that `which` names."""
    for at in range(replicas.size):
        compose = first
        if which[at] == 1:
            compose = second
        elif which[at] == 2:
            compose = third
        elif which[at] == 3:
            compose = fourth
        replica = replicas[at]
        if replica.ranks > 1:
            if replica.rank == 0:
                group = replicas[at : at + replica.ranks]
                advance_ranks(group, requests, times, hashes, caches, compose, log, until_s)
            continue
        advance(replica, requests, times, hashes, caches, compose, log, until_s)
        if replica.stages > 0 and replica.pending == 1 and replica.staged != replica.steps + 1:
            enter_stages(replica, replicas[replica.leader])


look_each = entry(types.void(*SHARED, LOG_TYPE, float64))(advance_each.py_func)
"""`advance_each` for callers in Python"""


@njit(cache=True)
def any_done(replicas: Any) -> bool:
    """Whether a request has finished."""
    found = False
    for at in range(replicas.size):
        found |= replicas[at].done_head != NONE
    return found


@njit(cache=True)
def next_step_end(replicas: Any, now_s: float) -> float:
    """When the next step ends, or a scheduler that waits for company wakes; infinite if nothing runs."""
    soonest = np.inf
    for at in range(replicas.size):
        replica = replicas[at]
        if replica.up == 0:
            continue
        if replica.pending == 1:
            soonest = min(soonest, replica.step_end_s)
        elif replica.queue_count > 0 and replica.wake_s > now_s:
            soonest = min(soonest, replica.wake_s)
    return soonest


@entry(float64(*SHARED, LOG_TYPE, float64, float64))
def until_done(
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
    now_s: float,
    until_s: float,
) -> Any:
    """Advance from `now_s`, when everything that arrived is queued, to the first completion or `until_s`.

    Returns the time reached; infinite if no replica has anything to run.
    """
    clock_s = now_s
    while True:
        after_s = np.nextafter(clock_s, np.inf)
        advance_each(
            replicas, which, requests, times, hashes, caches, first, second, third, fourth, log, min(after_s, until_s)
        )
        if any_done(replicas):
            return clock_s
        soonest_s = next_step_end(replicas, clock_s)
        if soonest_s == np.inf:
            return soonest_s
        clock_s = min(soonest_s, until_s)
        advance_each(replicas, which, requests, times, hashes, caches, first, second, third, fourth, log, clock_s)
        if clock_s >= until_s or any_done(replicas):
            return clock_s


class Together:
    """The replicas of a fleet as one compiled loop: schedulers by name, one per replica."""

    def __init__(self, schedulers: list[str]) -> None:
        from simcore.policy.scheduler import schedulers as found

        names = sorted(set(schedulers))
        if len(names) > SCHEDULERS:
            what = f"{len(names)} different schedulers ({', '.join(names)})"
            raise InputError(
                what, key="fleet.pools", fix=f"with a closed loop or changing roles use at most {SCHEDULERS}"
            )
        self.names = names
        self.which = np.array([names.index(name) for name in schedulers], np.int64)
        self.composes = [Composer(found(names[min(at, len(names) - 1)])) for at in range(SCHEDULERS)]

    def change(self, at: int, scheduler: str) -> None:
        """Replica `at` has another scheduler from now on (one of those that the fleet began with)."""
        self.which[at] = self.names.index(scheduler)

    def look(self, fleet: Any, until_s: float) -> None:
        """Bring every replica up to `until_s`."""
        look_each(*self.shared(fleet), fleet.log, until_s)

    def until_done(self, fleet: Any, now_s: float, until_s: float) -> float:
        """See the kernel of that name."""
        return float(until_done(*self.shared(fleet), fleet.log, now_s, until_s))

    def shared(self, fleet: Any) -> tuple[Any, ...]:
        """What the compiled loops of a fleet begin with."""
        records = (fleet.records, self.which, fleet.requests, fleet.times, fleet.hashes, fleet.caches)
        return (*records, *self.composes)
