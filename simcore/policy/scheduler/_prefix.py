"""The prefix cache of one replica: which prefix hashes are resident, which may be evicted, and in which order.

Evicted hashes may go to a tier below (host memory, a remote pool, an SSD) that keeps the last `offload_hashes` of them.
Writing down is taken to hide behind the steps; fetching back is waited for by the step that needs it.
"""

from __future__ import annotations

from typing import Any

from numba import int64

from simcore.cost.jit import njit
from simcore.policy.records import NONE


@njit(cache=True)
def hash_blocks(replica: Any) -> Any:
    """KV blocks of one prefix hash."""
    return int64(replica.hash_tokens // replica.block_tokens)


@njit(cache=True)
def hit_count(replica: Any, request: Any, hashes: Any, cache: Any) -> int:
    """How many leading hashes are resident; at least one token is always computed."""
    if replica.hash_tokens == 0:
        return 0
    most = min(int64(request.hash_count), (request.target_tokens - 1) // replica.hash_tokens)
    hits = 0
    while hits < most and cache[hashes[request.first_hash + hits]].resident != 0:
        hits += 1
    return hits


@njit(cache=True)
def look_up(replica: Any, request: Any, hashes: Any, cache: Any) -> Any:
    """(cached tokens, blocks that leave the evictable list when they are used again)."""
    hits = hit_count(replica, request, hashes, cache)
    revived = 0
    for at in range(hits):
        if cache[hashes[request.first_hash + at]].references == 0:
            revived += hash_blocks(replica)
    return int64(hits * replica.hash_tokens), int64(revived)


@njit(cache=True)
def acquire(replica: Any, request: Any, hashes: Any, cache: Any) -> Any:
    """Reference the cached prefix; returns its tokens."""
    hits = hit_count(replica, request, hashes, cache)
    for at in range(hits):
        entry = hashes[request.first_hash + at]
        if cache[entry].references == 0 and cache[entry].resident == 1:
            _unlink(replica, cache, entry)
            replica.evictable_blocks -= hash_blocks(replica)
            replica.free_blocks -= hash_blocks(replica)
        cache[entry].references += 1
        cache[entry].hits += 1
    for at in range(hits):
        entry = hashes[request.first_hash + at]
        if cache[entry].resident == 2:
            _fetch(replica, cache, entry)
            replica.free_blocks -= hash_blocks(replica)
            replica.fetched_hashes += 1
            replica.extra_s += replica.fetch_s_per_hash
            while replica.evictable_blocks > replica.free_blocks:
                evict(replica, cache)
    request.held_hashes = hits
    replica.cached_tokens += hits * replica.hash_tokens
    if replica.hash_tokens > 0:
        replica.looked_up_tokens += request.target_tokens
    return int64(hits * replica.hash_tokens)


@njit(cache=True)
def keep(replica: Any, request: Any, hashes: Any, cache: Any) -> None:
    """Enter the hashes that a request has computed by now; its blocks become shared. A second copy stays private."""
    if replica.hash_tokens == 0:
        return
    full = min(int64(request.hash_count), request.computed_tokens // replica.hash_tokens)
    while request.held_hashes < full:
        entry = hashes[request.first_hash + request.held_hashes]
        if cache[entry].resident == 1:
            return
        if cache[entry].resident == 2:
            _fetch(replica, cache, entry)
        cache[entry].resident = 1
        cache[entry].references = 1
        cache[entry].hits = 0
        request.held_hashes += 1
        request.blocks -= hash_blocks(replica)


@njit(cache=True)
def release(replica: Any, request: Any, hashes: Any, cache: Any) -> None:
    """Drop a request's references, deepest block first, so that prefixes outlive their continuations."""
    while request.held_hashes > 0:
        request.held_hashes -= 1
        entry = hashes[request.first_hash + request.held_hashes]
        cache[entry].references -= 1
        if cache[entry].references == 0:
            _link(replica, cache, entry)
            replica.evictable_blocks += hash_blocks(replica)
            replica.free_blocks += hash_blocks(replica)


@njit(cache=True)
def evict(replica: Any, cache: Any) -> None:
    """Drop the first of the evictable hashes, to the tier below if there is one."""
    entry = int64(replica.lru_head)
    _unlink(replica, cache, entry)
    cache[entry].resident = 0
    if replica.offload_hashes > 0:
        _write_down(replica, cache, entry)
    replica.evictable_blocks -= hash_blocks(replica)
    replica.evictions += 1


@njit(cache=True)
def _link(replica: Any, cache: Any, entry: int) -> None:
    older = int64(replica.lru_tail)
    if replica.evict_by_hits == 1:
        while older != NONE and cache[older].hits > cache[entry].hits:
            older = int64(cache[older].older)
    newer = int64(replica.lru_head) if older == NONE else int64(cache[older].newer)
    cache[entry].older = older
    cache[entry].newer = newer
    if older == NONE:
        replica.lru_head = entry
    else:
        cache[older].newer = entry
    if newer == NONE:
        replica.lru_tail = entry
    else:
        cache[newer].older = entry


@njit(cache=True)
def _unlink(replica: Any, cache: Any, entry: int) -> None:
    older, newer = int64(cache[entry].older), int64(cache[entry].newer)
    if older == NONE:
        replica.lru_head = newer
    else:
        cache[older].newer = newer
    if newer == NONE:
        replica.lru_tail = older
    else:
        cache[newer].older = older


@njit(cache=True)
def _write_down(replica: Any, cache: Any, entry: int) -> None:
    """Put an evicted hash into the tier below, whose oldest makes room."""
    cache[entry].resident = 2
    cache[entry].older = replica.lower_tail
    cache[entry].newer = NONE
    if replica.lower_tail == NONE:
        replica.lower_head = entry
    else:
        cache[replica.lower_tail].newer = entry
    replica.lower_tail = entry
    replica.lower_count += 1
    if replica.lower_count > replica.offload_hashes:
        oldest = int64(replica.lower_head)
        _fetch(replica, cache, oldest)
        cache[oldest].resident = 0


@njit(cache=True)
def _fetch(replica: Any, cache: Any, entry: int) -> None:
    """Take a hash out of the tier below; it is resident here from now on."""
    older, newer = int64(cache[entry].older), int64(cache[entry].newer)
    if older == NONE:
        replica.lower_head = newer
    else:
        cache[older].newer = newer
    if newer == NONE:
        replica.lower_tail = older
    else:
        cache[newer].older = older
    replica.lower_count -= 1
    cache[entry].resident = 1
