"""The compiled loop: from one start or end of a task to the next; rates change nowhere else.

What remains of a task is worked out only when its rate changes, and the tasks that end are those whose end was the next
event, whatever rounding says remains: no step can be too short for the clock.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simcore.cost.jit import njit_with_memory as njit
from simcore.engine.tasks.rates import fill

FLOWING, LATE, ENDED, DONE, EVENTS = 0, 1, 2, 3, 4
"""entries of `State.count`"""


class Arrays(NamedTuple):
    """The graph."""

    capacity: Any
    slots: Any
    amount: Any
    cap: Any
    latency_s: Any
    weight: Any
    engine: Any
    use_start: Any
    use_of: Any
    use_ratio: Any
    next_start: Any
    next_of: Any
    queue_start: Any
    queue: Any
    picks: Any


class State(NamedTuple):
    """What changes, [tasks] unless said otherwise."""

    count: Any
    """[5] entries of the three lists below, tasks done, events"""
    flowing: Any
    late: Any
    """started, their latency not over"""
    ended: Any
    """ended now, their followers not told yet"""
    waits: Any
    """predecessors that are not done"""
    head: Any
    """[engines] next row of `queue`"""
    held: Any
    """[engines] slots in use"""
    rate: Any
    old: Any
    left: Any
    """of the amount, at `since_s`"""
    since_s: Any
    next_s: Any
    """when its latency or its flow ends"""
    begin_s: Any
    flow_s: Any
    end_s: Any
    used: Any
    """[resources] load integrated over time"""
    peak_per_s: Any
    """[resources] highest load"""


@njit(cache=True)
def start(graph, state, task, now):  # type: ignore[no-untyped-def]
    """A task begins, with its latency if it has one."""
    state.begin_s[task] = now
    if graph.latency_s[task] > 0.0:
        state.next_s[task] = now + graph.latency_s[task]
        state.late[state.count[LATE]] = task
        state.count[LATE] += 1
    else:
        flow(graph, state, task, now)


@njit(cache=True)
def flow(graph, state, task, now):  # type: ignore[no-untyped-def]
    """A task begins to move its amount; nothing to move: it ends."""
    state.flow_s[task] = now
    if graph.amount[task] == 0.0:
        state.ended[state.count[ENDED]] = task
        state.count[ENDED] += 1
        return
    state.left[task], state.since_s[task], state.rate[task] = graph.amount[task], now, 0.0
    state.flowing[state.count[FLOWING]] = task
    state.count[FLOWING] += 1


@njit(cache=True)
def serve(graph, state, engine, now):  # type: ignore[no-untyped-def]
    """An engine begins what it can, in its order."""
    while state.held[engine] < graph.slots[engine] and state.head[engine] < graph.queue_start[engine + 1]:
        task = graph.queue[state.head[engine]]
        if state.waits[task] > 0:
            return
        state.head[engine] += 1
        state.held[engine] += 1
        start(graph, state, task, now)


@njit(cache=True)
def pick(graph, state, engine, now):  # type: ignore[no-untyped-def]
    """Whether an engine that takes what is ready begins anything, first in its order; what has begun waits for -1."""
    last = graph.queue_start[engine + 1]
    at, before = state.head[engine], state.held[engine]
    while state.held[engine] < graph.slots[engine] and at < last:
        task = graph.queue[at]
        if state.waits[task] == 0:
            state.waits[task] = -1
            state.held[engine] += 1
            start(graph, state, task, now)
        at += 1
    while state.head[engine] < last and state.waits[graph.queue[state.head[engine]]] < 0:
        state.head[engine] += 1
    return state.held[engine] > before


@njit(cache=True)
def tell(graph, state, now):  # type: ignore[no-untyped-def]
    """Followers and engines of what ended learn of it, and of what ends at once by that; engines that pick come last,
    one after the other, when all that is ready now is known."""
    hear(graph, state, now)
    engine = 0
    while engine < len(graph.slots):
        if graph.picks[engine] and pick(graph, state, engine, now) and state.count[ENDED] > 0:
            hear(graph, state, now)
            engine = 0
        else:
            engine += 1


@njit(cache=True)
def hear(graph, state, now):  # type: ignore[no-untyped-def]
    """As `tell`, of engines that take their tasks in order."""
    while state.count[ENDED] > 0:
        state.count[ENDED] -= 1
        task = state.ended[state.count[ENDED]]
        state.end_s[task] = now
        state.count[DONE] += 1
        for row in range(graph.next_start[task], graph.next_start[task + 1]):
            other = graph.next_of[row]
            state.waits[other] -= 1
            if state.waits[other] == 0 and graph.engine[other] < 0:
                start(graph, state, other, now)
            elif state.waits[other] == 0 and not graph.picks[graph.engine[other]]:
                serve(graph, state, graph.engine[other], now)
        if graph.engine[task] >= 0:
            state.held[graph.engine[task]] -= 1
            if not graph.picks[graph.engine[task]]:
                serve(graph, state, graph.engine[task], now)


@njit(cache=True)
def share(graph, state, level, taken, now):  # type: ignore[no-untyped-def]
    """New rates; what remains and when it ends for the tasks whose rate changed."""
    count = state.count[FLOWING]
    for at in range(count):
        state.old[state.flowing[at]] = state.rate[state.flowing[at]]
    uses = (graph.use_start, graph.use_of, graph.use_ratio)
    fill(state.flowing, count, graph.capacity, graph.cap, graph.weight, *uses, level, taken, state.rate)
    for at in range(count):
        task = state.flowing[at]
        if state.rate[task] != state.old[task]:
            state.left[task] = max(state.left[task] - state.old[task] * (now - state.since_s[task]), 0.0)
            state.since_s[task] = now
            state.next_s[task] = now + state.left[task] / state.rate[task]
    for number in range(len(taken)):
        state.peak_per_s[number] = max(state.peak_per_s[number], taken[number])


@njit(cache=True)
def pass_to(graph, state, now):  # type: ignore[no-untyped-def]
    """Whether a flow began or ended at `now`: flows over are ended, latencies over begin to flow."""
    before = state.count[FLOWING]
    kept = 0
    for at in range(before):
        task = state.flowing[at]
        if state.next_s[task] <= now:
            state.ended[state.count[ENDED]] = task
            state.count[ENDED] += 1
        else:
            state.flowing[kept] = task
            kept += 1
    state.count[FLOWING] = kept
    waiting, state.count[LATE] = state.count[LATE], 0
    for at in range(waiting):
        task = state.late[at]
        if state.next_s[task] <= now:
            flow(graph, state, task, now)
        else:
            state.late[state.count[LATE]] = task
            state.count[LATE] += 1
    changed = kept < before or state.count[FLOWING] > kept
    kept = state.count[FLOWING]
    tell(graph, state, now)
    return changed or state.count[FLOWING] > kept


@njit(cache=True)
def soonest(state):  # type: ignore[no-untyped-def]
    """When the next latency or flow ends; inf when nothing is under way."""
    found = np.inf
    for at in range(state.count[FLOWING]):
        found = min(found, state.next_s[state.flowing[at]])
    for at in range(state.count[LATE]):
        found = min(found, state.next_s[state.late[at]])
    return found


@njit(cache=True)
def drive(graph, state):  # type: ignore[no-untyped-def]
    """Run until nothing is under way."""
    level, taken = np.zeros(len(graph.capacity)), np.zeros(len(graph.capacity))
    for task in range(len(graph.amount)):
        if state.waits[task] == 0 and graph.engine[task] < 0:
            start(graph, state, task, 0.0)
    for engine in range(len(graph.slots)):
        if not graph.picks[engine]:
            serve(graph, state, engine, 0.0)
    tell(graph, state, 0.0)
    now, changed = 0.0, True
    while True:
        if changed:
            share(graph, state, level, taken, now)
        later = soonest(state)
        if later == np.inf:
            return
        for number in range(len(taken)):
            state.used[number] += taken[number] * (later - now)
        now = later
        state.count[EVENTS] += 1
        changed = pass_to(graph, state, now)
