"""The decoding set of a replica: sequences that advance together, one token per tick."""

from __future__ import annotations

from typing import Any

from numba import int64

from simcore.cost.jit import njit

NEVER = 2**62


@njit(cache=True)
def hash_blocks(replica: Any) -> Any:
    """KV blocks of one prefix hash."""
    return int64(replica.hash_tokens // replica.block_tokens * replica.shared_pages)


@njit(cache=True)
def blocks_of(replica: Any, tokens: int) -> Any:
    """KV blocks of so many tokens of one sequence: its state, layers that keep all, layers that keep their window."""
    blocks = (tokens + replica.block_tokens - 1) // replica.block_tokens
    if replica.window_tokens > 0 and tokens > replica.window_tokens:
        capped = (replica.window_tokens + replica.block_tokens - 1) // replica.block_tokens
        grown = replica.kept_pages * blocks + (replica.block_pages - replica.kept_pages) * capped
        return replica.state_blocks + grown
    return replica.state_blocks + replica.block_pages * blocks


@njit(cache=True)
def grown_pages(replica: Any, request: Any) -> Any:
    """Blocks that a decode takes whenever it fills one more block of tokens."""
    return replica.block_pages if request.cap_tick >= 0 else replica.kept_pages


@njit(cache=True)
def stop_growing(replica: Any, request: Any) -> None:
    """A decode's window is full: capped layers take no further blocks."""
    if request.cap_tick >= 0:
        phase = (request.join_tick - request.computed_tokens) % replica.block_tokens
        replica.phase_count[phase] -= replica.block_pages - replica.kept_pages
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
    phase = (request.join_tick - request.computed_tokens) % replica.block_tokens
    replica.phase_count[phase] -= grown_pages(replica, request)
    if replica.draft_tokens == 0:
        ticks = replica.tick - request.join_tick
        if ticks > 0:
            request.last_token_s = replica.last_decode_s
        request.generated_tokens += ticks
        request.computed_tokens += ticks
        if replica.reserve_output == 0:
            shared = int64(request.held_hashes) * hash_blocks(replica)
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
        else:
            replica.next_finish_tick = min(replica.next_finish_tick, request.cap_tick)
    phase = (request.join_tick - request.computed_tokens) % replica.block_tokens
    replica.phase_count[phase] += grown_pages(replica, request)
