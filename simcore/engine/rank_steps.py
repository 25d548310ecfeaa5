"""One replica's attention-dp ranks, stepping together.

Each step waits for all ranks; one without work takes part with a dummy batch (one token).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.cost.jit import njit
from simcore.engine.replica import begin, commit
from simcore.step.kernel import COMMUNICATION, DENSE_MIXED, DENSE_PURE, lookup


@njit(cache=True)
def shared_s(group: Any, record: Any, padded_tokens: int) -> Any:
    """Seconds of the experts' part of the step that is composed, for the tokens of all ranks."""
    fullest, tokens, chunks = 1, 0, 0
    for at in range(group.size):
        own = max(1, group[at].step_tokens * group[at].pending)
        fullest, tokens = max(fullest, own), tokens + own
        chunks += group[at].chunk_count * group[at].pending
    if fullest <= padded_tokens:
        tokens = fullest * group.size
    table = DENSE_MIXED if chunks > 0 else DENSE_PURE
    return lookup(record, table, float(tokens)) + lookup(record, COMMUNICATION, float(tokens))


@njit(cache=True)
def _now_s(group: Any) -> Any:
    """The clock of ranks of which none steps: they wait for the latest."""
    now_s = group[0].now_s
    for at in range(1, group.size):
        now_s = max(now_s, group[at].now_s)
    return now_s


@njit(cache=True)
def wakes_s(group: Any, now_s: float) -> Any:
    """When the first scheduler that waits for company composes again; infinite if none does."""
    soonest_s = np.inf
    for at in range(group.size):
        if group[at].queue_count > 0 and group[at].wake_s > now_s:
            soonest_s = min(soonest_s, group[at].wake_s)
    return soonest_s


@njit(cache=True)
def _step_end_s(group: Any) -> Any:
    """When the step in flight ends, the same for all that take part; negative if there is none."""
    end_s = -1.0
    for at in range(group.size):
        if group[at].pending == 1:
            end_s = group[at].step_end_s
    return end_s


@njit(cache=True)
def _begin_all(
    group: Any, requests: Any, times: Any, hashes: Any, caches: Any, compose: Any, padded_tokens: int
) -> Any:
    """Start a step of all ranks; its end, negative if nobody has work."""
    end_s = -1.0
    for at in range(group.size):
        if begin(group[at], requests, times, hashes, caches, compose):
            end_s = max(end_s, group[at].step_end_s)
    if end_s < 0.0:
        return end_s
    end_s += shared_s(group, times[group[0].shared_times], padded_tokens)
    for at in range(group.size):
        if group[at].pending == 1:
            group[at].step_end_s = end_s
    return end_s


@njit(cache=True)
def advance_ranks(
    group: Any, requests: Any, times: Any, hashes: Any, caches: Any, compose: Any, log: Any, until_s: float
) -> None:
    """Commit the steps that end by `until_s` and start those that begin before it."""
    while True:
        end_s = _step_end_s(group)
        if end_s < 0.0:
            now_s = _now_s(group)
            if now_s >= until_s:
                return
            for at in range(group.size):
                group[at].now_s = now_s
            end_s = _begin_all(group, requests, times, hashes, caches, compose, group[0].padded_tokens)
            if end_s < 0.0:
                woken_s = wakes_s(group, now_s)
                if woken_s >= until_s:
                    return
                group[0].now_s = woken_s
                continue
        if end_s > until_s:
            return
        for at in range(group.size):
            if group[at].pending == 1:
                commit(group[at], requests, times, hashes, caches, log)
            group[at].now_s = end_s
