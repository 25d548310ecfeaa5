"""The prefix cache of one replica: which prefix hashes are resident, which may be evicted, and in which order.

A hash names a block and all before it, so hashes are the nodes of a tree whose paths are prefixes. The order of the
evictable list is one in which a leaf always comes before its parent: whoever holds a node holds its path, and releases
it from the deepest node up; by hits likewise, because a path is hit whole. With `radix` a prefix is held once: a
request that computed what another has entered meanwhile gives its copy back and goes on in the tree, as SGLang does.
Without, a second copy stays with its request, and nothing behind it is entered.
"""

from __future__ import annotations

from typing import Any

from numba import int64

from simcore.cost.jit import njit
from simcore.policy.records import NONE
from simcore.policy.scheduler import _tiers
from simcore.policy.scheduler._decodes import hash_blocks


@njit(cache=True)
def hit_count(replica: Any, request: Any, hashes: Any, cache: Any) -> int:
    """How many leading hashes are resident; at least one token is always computed."""
    if replica.hash_tokens == 0:
        return 0
    most = min(int64(request.hash_count), (request.target_tokens - 1) // replica.hash_tokens)
    hits = 0
    while hits < most:
        block = hashes[request.first_hash + hits]
        if cache[replica.cache_start + block].resident == 0 and _tiers.find(replica, cache, block) == NONE:
            break
        hits += 1
    return hits


@njit(cache=True)
def look_up(replica: Any, request: Any, hashes: Any, cache: Any) -> Any:
    """(cached tokens, blocks that leave the evictable list when they are used again)."""
    hits = hit_count(replica, request, hashes, cache)
    revived = 0
    for at in range(hits):
        if cache[replica.cache_start + hashes[request.first_hash + at]].references == 0:
            revived += hash_blocks(replica)
    return int64(hits * replica.hash_tokens), int64(revived)


@njit(cache=True)
def acquire(replica: Any, request: Any, hashes: Any, cache: Any) -> Any:
    """Reference the cached prefix; returns its tokens."""
    hits = hit_count(replica, request, hashes, cache)
    for at in range(hits):
        entry = replica.cache_start + hashes[request.first_hash + at]
        if cache[entry].references == 0 and cache[entry].resident == 1:
            _revive(replica, cache, entry)
        cache[entry].references += 1
        cache[entry].hits += 1
    if replica.tier_count > 0:
        hits = _bring_up(replica, request, hashes, cache, hits)
    request.held_hashes = hits
    replica.cached_tokens += hits * replica.hash_tokens
    if replica.hash_tokens > 0:
        replica.looked_up_tokens += request.target_tokens
    return int64(hits * replica.hash_tokens)


@njit(cache=True)
def _revive(replica: Any, cache: Any, entry: int) -> None:
    """An unreferenced hash is used again."""
    _unlink(replica, cache, entry)
    replica.evictable_blocks -= hash_blocks(replica)
    replica.free_blocks -= hash_blocks(replica)


@njit(cache=True)
def _bring_up(replica: Any, request: Any, hashes: Any, cache: Any, hits: int) -> int:
    """Fetch what of the prefix lies below; less of it if making room pushed a copy out. Returns the hashes held."""
    last_tier = int64(NONE)
    for at in range(hits):
        block = hashes[request.first_hash + at]
        entry = replica.cache_start + block
        if cache[entry].resident == 1:
            continue
        tier = _tiers.find(replica, cache, block)
        if tier == NONE:
            _let_go(replica, request, hashes, cache, at, hits)
            return at
        _tiers.fetch(replica, cache, block, tier, tier != last_tier)
        last_tier = tier
        cache[entry].resident = 1
        replica.free_blocks -= hash_blocks(replica)
        while replica.evictable_blocks > replica.free_blocks:
            evict(replica, cache)
    if replica.offload_moves == 0:
        for at in range(hits - 1, -1, -1):
            _tiers.renew(replica, cache, hashes[request.first_hash + at])
    return hits


@njit(cache=True)
def _let_go(replica: Any, request: Any, hashes: Any, cache: Any, first: int, end: int) -> None:
    """Take back the references to hashes from `first` on, deepest first."""
    for at in range(end - 1, first - 1, -1):
        entry = replica.cache_start + hashes[request.first_hash + at]
        cache[entry].references -= 1
        if cache[entry].references == 0 and cache[entry].resident == 1:
            _retire(replica, cache, entry)


@njit(cache=True)
def _retire(replica: Any, cache: Any, entry: int) -> None:
    """A hash that nobody references any more may be evicted."""
    _link(replica, cache, entry)
    replica.evictable_blocks += hash_blocks(replica)
    replica.free_blocks += hash_blocks(replica)


@njit(cache=True)
def keep(replica: Any, request: Any, hashes: Any, cache: Any) -> None:
    """Enter the hashes that a request has computed by now; its blocks become shared."""
    if replica.hash_tokens == 0:
        return
    full = min(int64(request.hash_count), request.computed_tokens // replica.hash_tokens)
    before = request.held_hashes
    while request.held_hashes < full:
        block = hashes[request.first_hash + request.held_hashes]
        entry = replica.cache_start + block
        if cache[entry].resident == 1:
            if replica.radix == 0:
                break
            if cache[entry].references == 0:
                _revive(replica, cache, entry)
            cache[entry].references += 1
            replica.free_blocks += hash_blocks(replica)
        else:
            if replica.tier_count > 0 and replica.offload_moves == 1:
                _tiers.drop_all(replica, cache, block)
            cache[entry].resident = 1
            cache[entry].references = 1
            cache[entry].hits = 0
        request.held_hashes += 1
        request.blocks -= hash_blocks(replica)
    if replica.offload_computed == 1 and request.held_hashes > before:
        _copy_down(replica, request, hashes, cache)


@njit(cache=True)
def _copy_down(replica: Any, request: Any, hashes: Any, cache: Any) -> None:
    """Copies of the path a request holds go to every tier, deepest first, so that a tier forgets leaves first too."""
    for at in range(request.held_hashes - 1, -1, -1):
        for tier in range(replica.tier_count):
            _tiers.write(replica, cache, int64(hashes[request.first_hash + at]), tier)


@njit(cache=True)
def release(replica: Any, request: Any, hashes: Any, cache: Any) -> None:
    """Drop a request's references, deepest block first, so that prefixes outlive their continuations."""
    while request.held_hashes > 0:
        request.held_hashes -= 1
        entry = replica.cache_start + hashes[request.first_hash + request.held_hashes]
        cache[entry].references -= 1
        if cache[entry].references == 0:
            _retire(replica, cache, entry)


@njit(cache=True)
def evict(replica: Any, cache: Any) -> None:
    """Drop the first of the evictable hashes, to the first tier below if the rule says so."""
    entry = int64(replica.lru_head)
    _unlink(replica, cache, entry)
    cache[entry].resident = 0
    down = replica.tier_count > 0 and replica.offload_writes == 1 and replica.offload_computed == 0
    if down and cache[entry].hits >= replica.offload_hits:
        _tiers.write(replica, cache, entry - replica.cache_start, 0)
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
