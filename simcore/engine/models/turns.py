"""Whose turn it is on chips that several models share, compiled.

One model runs at a time: its steps in a row until it has no work, or until its turn is over and another waits. The one
that has waited longest is next; weights that are not in the main tier are brought first, and others make room. KV is
one pool in bytes: what the others hold is not there for the one that runs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from simcore.cost.jit import njit
from simcore.engine.replica import advance
from simcore.policy.records import NONE


@njit(cache=True)
def waiting_since(replica: Any, model: Any, requests: Any) -> Any:
    """Since when a model with work waits for the chips."""
    if replica.decode_count + replica.prefill_count > 0:
        return float(model.used_s)
    return max(float(model.used_s), float(requests[replica.queue_head].ready_s))


@njit(cache=True)
def next_model(replicas: Any, models: Any, requests: Any) -> int:
    """The model that has waited longest and can go on; NONE without one."""
    best, since_s = NONE, np.inf
    for at in range(replicas.size):
        if replicas[at].outstanding == 0 or models[at].blocked == 1:
            continue
        own_s = waiting_since(replicas[at], models[at], requests)
        if best == NONE or own_s < since_s:
            best, since_s = at, own_s
    return best


@njit(cache=True)
def others_wait(replicas: Any, models: Any, current: int) -> bool:
    """Whether another model could run."""
    for at in range(replicas.size):
        if at != current and replicas[at].outstanding > 0 and models[at].blocked == 0:
            return True
    return False


@njit(cache=True)
def make_room(models: Any, group: Any, coming: int) -> None:
    """Models leave the main tier until the one that comes has room, by the group's rule."""
    used = 0.0
    for at in range(models.size):
        used += models[at].resident * models[at].weight_bytes
    while used + models[coming].weight_bytes > group.capacity_bytes * (1.0 + 1e-12):
        leaving = NONE
        for at in range(models.size):
            if models[at].resident == 1 and (leaving == NONE or _leaves_before(models, group.rule, at, leaving)):
                leaving = at
        if leaving == NONE:
            return
        models[leaving].resident = 0
        used -= models[leaving].weight_bytes


@njit(cache=True)
def _leaves_before(models: Any, rule: int, one: int, other: int) -> bool:
    if rule == 0:
        return one > other
    if rule == 2 and models[one].uses != models[other].uses:
        return bool(models[one].uses < models[other].uses)
    return bool(models[one].used_s < models[other].used_s)


@njit(cache=True)
def switch_to(replicas: Any, models: Any, requests: Any, group: Any, coming: int) -> None:
    """A model's turn begins once the chips are free and its weights are there."""
    replica, model = replicas[coming], models[coming]
    start_s = max(float(replica.now_s), float(group.clock_s))
    begin_s = start_s
    if model.resident == 0:
        fetch_from_s = max(start_s, group.link_free_s)
        if group.ahead == 1 and group.current != NONE:
            room = models[group.current].weight_bytes + model.weight_bytes <= group.capacity_bytes
            asked_s = max(waiting_since(replica, model, requests), float(group.turn_begin_s))
            fetch_from_s = max(asked_s, group.link_free_s) if room else fetch_from_s
        make_room(models, group, coming)
        begin_s = max(start_s, fetch_from_s + model.fetch_s)
        group.link_free_s = fetch_from_s + model.fetch_s
        model.resident = 1
        model.fetches += 1
        model.waited_s += begin_s - start_s
    if coming != group.current:
        group.turns += 1
        model.uses += 1
    group.current = coming
    replica.now_s = begin_s
    group.clock_s = begin_s
    group.turn_begin_s = begin_s
    group.turn_end_s = max(begin_s + group.turn_s, np.nextafter(begin_s, np.inf))  # a step at least


@njit(cache=True)
def withheld_blocks(replicas: Any, models: Any, current: int) -> Any:
    """Blocks of the pool that the other models hold, in this one's size."""
    held_bytes = 0.0
    for at in range(replicas.size):
        if at != current:
            held_bytes += (replicas[at].kv_blocks - replicas[at].free_blocks) * models[at].block_bytes
    if held_bytes == 0.0:
        return 0
    return min(math.ceil(held_bytes / models[current].block_bytes), int(replicas[current].free_blocks))


@njit(cache=True)
def fill_slack(replica: Any, group: Any) -> None:
    """Tokens of the job beside a step that has just begun, until the step lasts as long as it may."""
    slack_s = group.job_limit_s - (replica.step_end_s - replica.step_start_s)
    used_s = min(slack_s, group.job_left_tokens * group.job_token_s)
    if used_s <= 0.0:
        return
    replica.step_end_s += used_s
    replica.length_s = 0.0
    count_job(group, used_s)


@njit(cache=True)
def count_job(group: Any, used_s: float) -> None:
    """So many seconds of the chips went to the job."""
    group.job_tokens += used_s / group.job_token_s
    group.job_left_tokens -= used_s / group.job_token_s
    group.job_s += used_s


@njit(cache=True)
def idle_job(group: Any, until_s: float) -> None:
    """The job has the chips until somebody comes, in pieces that are not interrupted."""
    if group.job_token_s == 0.0 or group.job_left_tokens <= 0.0 or until_s == np.inf:
        return
    left_s = until_s - group.clock_s
    if left_s <= 0.0:
        return
    pieces_s = math.ceil(left_s / group.job_limit_s - 1e-9) * group.job_limit_s
    used_s = min(pieces_s, group.job_left_tokens * group.job_token_s)
    count_job(group, used_s)
    group.job_alone_s += used_s
    group.clock_s += used_s


@njit(cache=True)
def run_on(
    replicas: Any,
    models: Any,
    group: Any,
    requests: Any,
    times: Any,
    hashes: Any,
    caches: Any,
    compose: Any,
    log: Any,
    until_s: float,
) -> bool:
    """The current model's steps up to `until_s`, one by one where a job fills them; False if nothing happened."""
    current = group.current
    replica = replicas[current]
    start_s, pending, left, steps = replica.now_s, replica.pending, replica.outstanding, replica.steps
    withheld = withheld_blocks(replicas, models, current)
    replica.free_blocks -= withheld
    free = replica.free_blocks
    job = group.job_token_s > 0.0 and group.job_left_tokens > 0.0
    limit_s = until_s
    if job:
        limit_s = min(until_s, replica.step_end_s if pending == 1 else np.nextafter(replica.now_s, np.inf))
    advance(replica, requests, times, hashes, caches, compose, log, limit_s)
    if job and pending == 0 and replica.pending == 1:
        fill_slack(replica, group)
    freed = replica.free_blocks != free
    replica.free_blocks += withheld
    stuck = replica.pending == 0 and replica.outstanding > 0 and replica.wake_s == np.inf
    if stuck and replicas.size > 1:  # no room beside the others: the chips are theirs, not idle until the horizon
        replica.now_s = start_s if replica.steps == steps else min(replica.now_s, replica.step_end_s)
    group.clock_s = max(float(group.clock_s), float(replica.now_s))
    models[current].used_s = max(float(models[current].used_s), float(replica.now_s))
    moved = freed or replica.steps != steps or replica.pending != pending or replica.outstanding != left
    moved = moved or replica.now_s != start_s
    if moved:
        for at in range(models.size):
            models[at].blocked = 0
    return bool(moved)


@njit(cache=True)
def advance_group(
    replicas: Any,
    models: Any,
    group: Any,
    requests: Any,
    times: Any,
    hashes: Any,
    caches: Any,
    compose: Any,
    log: Any,
    until_s: float,
) -> None:
    """Bring the models of one replica up to `until_s`: steps that end by then are committed, none begins later."""
    while True:
        current = group.current
        if current != NONE:
            replica = replicas[current]
            if replica.pending == 1 and replica.step_end_s > until_s:
                return
            in_turn = replica.outstanding > 0 and models[current].blocked == 0 and replica.now_s < group.turn_end_s
            if replica.pending == 1 or in_turn:
                if replica.pending == 0 and replica.now_s >= until_s:
                    return
                limit_s = until_s
                if others_wait(replicas, models, current):
                    ends_s = replica.step_end_s if replica.pending == 1 else -np.inf
                    limit_s = min(until_s, max(float(group.turn_end_s), ends_s))
                if not run_on(replicas, models, group, requests, times, hashes, caches, compose, log, limit_s):
                    models[current].blocked = 1
                if replicas[current].done_head != NONE and replicas[current].stop_at_done == 1:
                    return
                continue
        coming = next_model(replicas, models, requests)
        if coming == NONE:
            if not _any_work(replicas):
                group.turn_end_s = -np.inf
                idle_job(group, until_s)
            return
        if max(float(replicas[coming].now_s), float(group.clock_s)) >= until_s:
            return
        switch_to(replicas, models, requests, group, coming)


@njit(cache=True)
def _any_work(replicas: Any) -> bool:
    unfinished = 0
    for at in range(replicas.size):
        unfinished += replicas[at].outstanding
    return bool(unfinished > 0)
