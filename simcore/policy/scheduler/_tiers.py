"""Copies of prefix blocks in the tiers below a replica's KV, each in order of use; all numba, on records.

A tier is a stretch of the cache array: two rows of its own (ends of its list and its link's clocks), then one row per
prefix hash. Shared tiers are the same stretch for all replicas. A fetch is waited for by the step that needs it; a
write is not, but its copy is ready only when the link has carried it.
"""

from __future__ import annotations

from typing import Any

from numba import int64

from simcore.cost.jit import njit
from simcore.policy.records import NONE, TIER_ROWS


@njit(cache=True)
def find(replica: Any, cache: Any, block: int) -> Any:
    """The first tier with a complete copy; NONE if there is none."""
    for tier in range(replica.tier_count):
        row = cache[replica.tier_start[tier] + TIER_ROWS + block]
        if row.resident == 1 and row.ready_s <= replica.now_s:
            return int64(tier)
    return int64(NONE)


@njit(cache=True)
def fetch(replica: Any, cache: Any, block: int, tier: int, first: bool) -> None:
    """Bring a copy up; the next step waits for the link, which a shared tier's other replicas may hold."""
    head = replica.tier_start[tier]
    before_s = replica.extra_s
    if replica.tier_shared[tier] == 1:
        replica.extra_s = max(replica.extra_s, cache[head].ready_s - replica.now_s)
    if first:
        replica.extra_s += replica.tier_latency_s[tier]
    replica.extra_s += replica.tier_read_s[tier]
    cache[head].ready_s = replica.now_s + replica.extra_s
    replica.tier_wait_s[tier] += replica.extra_s - before_s
    replica.tier_hits[tier] += 1
    if replica.offload_moves == 1 and replica.tier_shared[tier] == 0:
        drop(replica, cache, block, tier)
    else:
        touch(cache, head, head + TIER_ROWS + block)


@njit(cache=True)
def write(replica: Any, cache: Any, block: int, tier: int) -> None:
    """Copy a block down, or renew its place; a full tier forgets its oldest, or passes it on if the rule says so."""
    while tier < replica.tier_count:
        head = replica.tier_start[tier]
        row = head + TIER_ROWS + block
        if cache[row].resident == 1:
            touch(cache, head, row)
            return
        link = head + 1
        start_s = max(replica.now_s, cache[link].ready_s)
        cache[link].ready_s = start_s + replica.tier_write_s[tier]
        cache[row].ready_s = cache[link].ready_s
        cache[row].resident = 1
        _append(cache, head, row)
        replica.tier_writes[tier] += 1
        if cache[head].references <= replica.tier_hashes[tier]:
            return
        block = int64(cache[head].newer) - head - TIER_ROWS
        drop(replica, cache, block, tier)
        replica.tier_evictions[tier] += 1
        if replica.offload_demotes == 0:
            return
        tier += 1


@njit(cache=True)
def renew(replica: Any, cache: Any, block: int) -> None:
    """A block was used in the KV: its copies below count as used too."""
    for tier in range(replica.tier_count):
        head = replica.tier_start[tier]
        if cache[head + TIER_ROWS + block].resident == 1:
            touch(cache, head, head + TIER_ROWS + block)


@njit(cache=True)
def drop_all(replica: Any, cache: Any, block: int) -> None:
    """The block was computed again: copies that would move up are void."""
    for tier in range(replica.tier_count):
        row = replica.tier_start[tier] + TIER_ROWS + block
        if replica.tier_shared[tier] == 0 and cache[row].resident == 1:
            drop(replica, cache, block, tier)


@njit(cache=True)
def drop(replica: Any, cache: Any, block: int, tier: int) -> None:
    """Forget a copy."""
    head = replica.tier_start[tier]
    row = head + TIER_ROWS + block
    cache[row].resident = 0
    _cut(cache, head, row)


@njit(cache=True)
def clear(replica: Any, cache: Any) -> None:
    """Forget every copy of the replica's own tiers; shared ones outlive it."""
    for tier in range(replica.tier_count):
        if replica.tier_shared[tier] == 0:
            head = replica.tier_start[tier]
            while cache[head].newer != NONE:
                drop(replica, cache, int64(cache[head].newer) - head - TIER_ROWS, tier)


@njit(cache=True)
def touch(cache: Any, head: int, row: int) -> None:
    """Make a copy the most recently used."""
    _cut(cache, head, row)
    _append(cache, head, row)


@njit(cache=True)
def _append(cache: Any, head: int, row: int) -> None:
    last = int64(cache[head].older)
    cache[row].older = last
    cache[row].newer = NONE
    if last == NONE:
        cache[head].newer = row
    else:
        cache[last].newer = row
    cache[head].older = row
    cache[head].references += 1


@njit(cache=True)
def _cut(cache: Any, head: int, row: int) -> None:
    older, newer = int64(cache[row].older), int64(cache[row].newer)
    if older == NONE:
        cache[head].newer = newer
    else:
        cache[older].newer = newer
    if newer == NONE:
        cache[head].older = older
    else:
        cache[newer].older = older
    cache[head].references -= 1
