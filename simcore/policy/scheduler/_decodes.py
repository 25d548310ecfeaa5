"""The decoding set of a replica: sequences that advance together, one token per tick."""

from __future__ import annotations

from typing import Any

from numba import int64

from simcore.cost.jit import njit

NEVER = 2**62


@njit(cache=True)
def blocks_of(replica: Any, tokens: int) -> Any:
    """KV blocks of so many tokens of one sequence (no more than its window)."""
    held = tokens
    if replica.window_tokens > 0 and held > replica.window_tokens:
        held = replica.window_tokens
    return (held + replica.block_tokens - 1) // replica.block_tokens


@njit(cache=True)
def stop_growing(replica: Any, request: Any) -> None:
    """A decode's KV takes no further blocks: its window is full, or it leaves."""
    if request.cap_tick >= 0:
        replica.phase_count[(request.join_tick - request.computed_tokens) % replica.block_tokens] -= 1
        request.cap_tick = -1


@njit(cache=True)
def find_span(replica: Any, requests: Any) -> None:
    """Look for the shortest and the longest decode again, after some have left."""
    shortest, longest = int64(NEVER), int64(-NEVER)
    for at in range(replica.decode_count):
        request = requests[replica.decodes[at]]
        start = replica.tick if replica.draft_tokens > 0 else request.join_tick
        offset = request.computed_tokens + 1 - start
        shortest, longest = min(shortest, offset), max(longest, offset)
    replica.shortest_offset = shortest
    replica.longest_offset = longest


@njit(cache=True)
def settle(replica: Any, requests: Any, number: int) -> None:
    """Bring a decoding request's record up to this tick and take it out of the sums over decodes."""
    request = requests[number]
    stop_growing(replica, request)
    if replica.draft_tokens == 0:
        ticks = replica.tick - request.join_tick
        if ticks > 0:
            request.last_token_s = replica.last_decode_s
        request.generated_tokens += ticks
        request.computed_tokens += ticks
        if replica.reserve_output == 0:
            shared = int64(request.held_hashes) * replica.hash_tokens // replica.block_tokens
            request.blocks = max(int64(request.blocks), blocks_of(replica, request.computed_tokens) - shared)
    replica.decode_kv_tokens -= request.computed_tokens + 1


@njit(cache=True)
def join_decodes(replica: Any, requests: Any, number: int) -> None:
    """A sequence with its whole prompt in KV starts to decode at the next decode step."""
    request = requests[number]
    request.join_tick = replica.tick
    request.finish_tick = replica.tick + request.goal_tokens - request.generated_tokens
    if replica.draft_tokens > 0:
        request.finish_tick = NEVER
    replica.next_finish_tick = min(replica.next_finish_tick, request.finish_tick)
    replica.decodes[replica.decode_count] = number
    replica.decode_count += 1
    replica.fresh_count += 1
    replica.decode_kv_tokens += request.computed_tokens + 1
    offset = request.computed_tokens + 1 - replica.tick
    if replica.decode_count == 1 or offset > replica.longest_offset:
        replica.longest_offset = offset
    if replica.decode_count == 1 or offset < replica.shortest_offset:
        replica.shortest_offset = offset
    request.cap_tick = NEVER
    if replica.window_tokens > 0:
        request.cap_tick = replica.tick + replica.window_tokens - request.computed_tokens
        if request.cap_tick <= replica.tick:
            request.cap_tick = -1
            return
        replica.next_finish_tick = min(replica.next_finish_tick, request.cap_tick)
    replica.phase_count[(request.join_tick - request.computed_tokens) % replica.block_tokens] += 1
