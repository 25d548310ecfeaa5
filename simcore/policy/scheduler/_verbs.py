"""What a scheduling policy is written with: queue, admission, KV blocks, chunks, preemption. All numba, on records.

A policy composes one step: it calls `start_step`, then any of `decode_all`, `continue_prefills`, `admit`, `take`.
"""

from __future__ import annotations

from typing import Any

from numba import int64, types

from simcore.cost.jit import compiled, from_dtype, njit
from simcore.policy.records import BLOCK, MAX_RUNNING, NONE, REPLICA, REQUEST, RUNNING, WAITING
from simcore.policy.scheduler import _prefix
from simcore.policy.scheduler._decodes import blocks_of, find_span, grown_pages, hash_blocks, join_decodes, settle

REPLICA_TYPE = from_dtype(REPLICA)
REQUESTS_TYPE = types.Array(from_dtype(REQUEST), 1, "C")
HASHES_TYPE = types.Array(types.int32, 1, "C")
CACHE_TYPE = types.Array(from_dtype(BLOCK), 1, "C")
COMPOSE_SIGNATURE = types.void(REPLICA_TYPE, REQUESTS_TYPE, HASHES_TYPE, CACHE_TYPE)
COMPOSE_TYPE = types.FunctionType(COMPOSE_SIGNATURE)
LOOK_AHEAD = 64


def policy(function: Any) -> Any:
    """Compile a policy's `compose(replica, requests, hashes, cache)` with the one signature that the engine calls."""
    return compiled(function, COMPOSE_SIGNATURE)


@njit(cache=True)
def push(replica: Any, requests: Any, number: int) -> None:
    """Put a request into the queue: at the end, or by rank if the policy orders its queue (equal ranks in order)."""
    request = requests[number]
    request.state = WAITING
    if replica.ordered == 0 or replica.queue_count == 0 or requests[replica.queue_tail].rank <= request.rank:
        _link_after(replica, requests, number, replica.queue_tail)
    else:
        before = int64(NONE)
        at = replica.queue_head
        while requests[at].rank <= request.rank:
            before = at
            at = int64(requests[at].next)
        _link_after(replica, requests, number, before)


@njit(cache=True)
def push_front(replica: Any, requests: Any, number: int) -> None:
    """Put a preempted request back to the front."""
    requests[number].state = WAITING
    _link_after(replica, requests, number, NONE)


@njit(cache=True)
def _link_after(replica: Any, requests: Any, number: int, before: int) -> None:
    if before == NONE:
        requests[number].next = replica.queue_head
        replica.queue_head = number
        replica.blocked = 0
    else:
        requests[number].next = requests[before].next
        requests[before].next = number
    if replica.queue_tail == before:
        replica.queue_tail = number
    replica.queue_count += 1
    replica.queue_tokens += requests[number].target_tokens


@njit(cache=True)
def pop(replica: Any, requests: Any) -> Any:
    """Take the head of the queue."""
    number = replica.queue_head
    replica.queue_head = requests[number].next
    if replica.queue_head == NONE:
        replica.queue_tail = NONE
    requests[number].next = NONE
    replica.queue_count -= 1
    replica.queue_tokens -= requests[number].target_tokens
    return int64(number)


@njit(cache=True)
def running(replica: Any) -> Any:
    """Sequences that hold a slot."""
    return int64(replica.decode_count + replica.prefill_count)


@njit(cache=True)
def start_step(replica: Any) -> None:
    """Forget the last step."""
    replica.chunk_count = 0
    replica.step_decodes = 0
    replica.step_tokens = 0


@njit(inline="always")
def takes_chunks(replica: Any, request: Any) -> Any:
    """Whether a request's KV is taken chunk by chunk; KV that comes from elsewhere is taken whole."""
    return replica.whole_prompt == 0 and replica.reserve_output == 0 and request.swapped == 0


@njit(cache=True)
def admission_blocks(replica: Any, request: Any, cached_tokens: int) -> Any:
    """Blocks that must be free to admit a request, beyond those of its cached prefix."""
    tokens = int64(request.target_tokens)
    if replica.reserve_output == 1:
        tokens = int64(request.input_tokens + request.output_tokens)
    elif takes_chunks(replica, request) and replica.check_prompt == 0:
        tokens = min(tokens, cached_tokens + min(replica.chunk_tokens, replica.token_budget))
    return blocks_of(replica, tokens) - cached_tokens // replica.block_tokens * replica.shared_pages


@njit(cache=True)
def can_admit(replica: Any, requests: Any, hashes: Any, cache: Any) -> bool:
    """Whether the head of the queue may start: seen, a slot, and KV blocks above the watermark."""
    if replica.queue_count == 0:
        return False
    request = requests[replica.queue_head]
    if request.ready_s > replica.visible_s:
        return False
    if running(replica) + replica.late_slots >= replica.max_running:
        return False
    cached, revived = _prefix.look_up(replica, request, hashes, cache)
    need = admission_blocks(replica, request, cached) + revived
    return bool(replica.free_blocks - replica.late_blocks - need >= replica.watermark_blocks)


@njit(cache=True)
def admit(replica: Any, requests: Any, hashes: Any, cache: Any) -> Any:
    """Start the head of the queue: takes its cached prefix and, unless KV goes chunk by chunk, its blocks."""
    number = pop(replica, requests)
    request = requests[number]
    cached = _prefix.acquire(replica, request, hashes, cache)
    if request.swapped == 0:
        request.computed_tokens = cached
    if request.scheduled_s < 0:
        request.scheduled_s = replica.now_s
        request.cached_tokens = cached
    request.state = RUNNING
    replica.admissions += 1
    request.admission = replica.admissions
    if not takes_chunks(replica, request):
        need = admission_blocks(replica, request, cached)
        take_blocks(replica, cache, need)
        request.blocks = need
    replica.prefills[replica.prefill_count] = number
    replica.prefill_count += 1
    return int64(number)


@njit(cache=True)
def take_blocks(replica: Any, cache: Any, count: int) -> None:
    """Take blocks that are known to be free, evicting unreferenced cached prefixes as needed."""
    replica.free_blocks -= count
    while replica.evictable_blocks > replica.free_blocks:
        _prefix.evict(replica, cache)


@njit(cache=True)
def take(replica: Any, requests: Any, hashes: Any, cache: Any, number: int, tokens: int) -> bool:
    """Put a chunk into the step; False if its KV blocks are not to be had (after preempting later requests)."""
    request = requests[number]
    if request.swapped == 1:
        tokens = 0
        replica.extra_s += replica.swap_s_per_block * blocks_of(replica, request.computed_tokens)
    if replica.whole_prompt == 0 and replica.reserve_output == 0:
        end = request.computed_tokens + tokens
        shared = int64(request.held_hashes) * hash_blocks(replica)
        need = blocks_of(replica, end) - shared - request.blocks
        while need > replica.free_blocks:
            if not preempt_after(replica, requests, hashes, cache, request.admission):
                return False
        if need > 0:
            take_blocks(replica, cache, need)
            request.blocks += need
    replica.chunk_request[replica.chunk_count] = number
    replica.chunk_size[replica.chunk_count] = tokens
    replica.chunk_count += 1
    replica.step_tokens += tokens
    return True


@njit(cache=True)
def left(requests: Any, number: int) -> Any:
    """Tokens still to prefill."""
    return int64(requests[number].target_tokens - requests[number].computed_tokens)


@njit(cache=True)
def decode_all(replica: Any, requests: Any, hashes: Any, cache: Any) -> bool:
    """Let every decoding sequence take a token, preempting the last admitted while blocks are short.

    True if nobody was preempted.
    """
    undisturbed = True
    while replica.decode_count > 0 and new_blocks(replica, requests) + replica.spare_block > replica.free_blocks:
        preempt_after(replica, requests, hashes, cache, -1)
        undisturbed = False
    if replica.decode_count > 0:
        take_blocks(replica, cache, new_blocks(replica, requests))
        if replica.draft_tokens > 0 and replica.reserve_output == 0:
            for at in range(replica.decode_count):
                request = requests[replica.decodes[at]]
                request.blocks += draft_blocks(replica, request)
        replica.step_decodes = 1
        replica.step_tokens += replica.decode_count * (1 + replica.draft_tokens * replica.draft_width)
    return undisturbed


@njit(cache=True)
def new_blocks(replica: Any, requests: Any) -> Any:
    """Blocks that the next decode step takes."""
    if replica.draft_tokens == 0 or replica.reserve_output == 1:
        return grown_blocks(replica, replica.tick % replica.block_tokens)
    need = 0
    for at in range(replica.decode_count):
        need += draft_blocks(replica, requests[replica.decodes[at]])
    return int64(need)


@njit(inline="always")
def grown_blocks(replica: Any, phase: int) -> Any:
    """Blocks that a decode step without drafts takes; `phase` is its tick modulo a block."""
    if replica.reserve_output == 1:
        return int64(0)
    return int64(replica.phase_count[phase])


@njit(cache=True)
def draft_blocks(replica: Any, request: Any) -> Any:
    """Blocks that a decode with all its drafted tokens needs beyond those it has."""
    shared = int64(request.held_hashes) * hash_blocks(replica)
    end = request.computed_tokens + 1 + replica.draft_tokens * replica.draft_width
    return int64(max(0, blocks_of(replica, end) - shared - request.blocks))


@njit(cache=True)
def continue_prefills(replica: Any, requests: Any, hashes: Any, cache: Any, budget: int) -> int:
    """Give chunks to started prefills, oldest first; returns the budget that remains."""
    at = 0
    while at < replica.prefill_count and budget > 0 and replica.chunk_count < MAX_RUNNING:
        number = int64(replica.prefills[at])
        tokens = min(left(requests, number), budget, replica.chunk_tokens)
        if not take(replica, requests, hashes, cache, number, tokens):
            break
        budget -= tokens
        at += 1
    return budget


@njit(cache=True)
def preempt_after(replica: Any, requests: Any, hashes: Any, cache: Any, admission: int) -> bool:
    """Preempt the running request that was admitted last, if later than `admission`; False if there is none."""
    best = int64(admission)
    place = -1
    decoding = False
    for at in range(replica.prefill_count):
        if requests[replica.prefills[at]].admission > best:
            best, place, decoding = requests[replica.prefills[at]].admission, at, False
    for at in range(replica.decode_count):
        if requests[replica.decodes[at]].admission > best:
            best, place, decoding = requests[replica.decodes[at]].admission, at, True
    if place < 0:
        return False
    if decoding:
        number = int64(replica.decodes[place])
        if replica.step_decodes == 1:
            _give_back_token(replica, requests[number])
        leave_decodes(replica, requests, place)
    else:
        number = int64(replica.prefills[place])
        _drop_chunk(replica, number)
        for at in range(place, replica.prefill_count - 1):
            replica.prefills[at] = replica.prefills[at + 1]
        replica.prefill_count -= 1
    restart(replica, requests, hashes, cache, number, decoding)
    return True


@njit(cache=True)
def _give_back_token(replica: Any, request: Any) -> None:
    """A decode is preempted after it was put into this very step: its token, and the block it took for it, are free."""
    replica.step_tokens -= 1 + replica.draft_tokens * replica.draft_width
    grows = replica.draft_tokens == 0 and replica.reserve_output == 0
    if grows and (replica.tick - request.join_tick + request.computed_tokens) % replica.block_tokens == 0:
        replica.free_blocks += grown_pages(replica, request)
    if replica.decode_count == 1:
        replica.step_decodes = 0


@njit(cache=True)
def _drop_chunk(replica: Any, number: int) -> None:
    for at in range(replica.chunk_count):
        if replica.chunk_request[at] == number:
            replica.step_tokens -= replica.chunk_size[at]
            for later in range(at, replica.chunk_count - 1):
                replica.chunk_request[later] = replica.chunk_request[later + 1]
                replica.chunk_size[later] = replica.chunk_size[later + 1]
            replica.chunk_count -= 1
            return


@njit(cache=True)
def restart(replica: Any, requests: Any, hashes: Any, cache: Any, number: int, decoding: bool) -> None:
    """Give up a running request's KV and put it to the front of the queue; its tokens so far become its prompt."""
    request = requests[number]
    release(replica, requests, hashes, cache, number)
    request.preemptions += 1
    replica.preemptions += 1
    request.target_tokens = request.input_tokens + request.generated_tokens
    if replica.swap == 1 and decoding:
        request.swapped = 1
        request.target_tokens = request.computed_tokens
        replica.extra_s += replica.swap_s_per_block * blocks_of(replica, request.computed_tokens)
    else:
        request.computed_tokens = 0
    push_front(replica, requests, number)


@njit(cache=True)
def release(replica: Any, requests: Any, hashes: Any, cache: Any, number: int) -> None:
    """Return a request's blocks; what of it is hashed stays until evicted."""
    request = requests[number]
    _prefix.keep(replica, request, hashes, cache)
    replica.free_blocks += request.blocks
    request.blocks = 0
    _prefix.release(replica, request, hashes, cache)


@njit(cache=True)
def leave_decodes(replica: Any, requests: Any, place: int) -> None:
    """Take a sequence out of the decodes and write its progress into its record."""
    number = int64(replica.decodes[place])
    if place >= replica.decode_count - replica.fresh_count:
        replica.fresh_count -= 1
    for at in range(place, replica.decode_count - 1):
        replica.decodes[at] = replica.decodes[at + 1]
    replica.decode_count -= 1
    settle(replica, requests, number)
    find_span(replica, requests)


@njit(cache=True)
def bring_best_hit(replica: Any, requests: Any, hashes: Any, cache: Any) -> None:
    """Move the request with the longest cached prefix among the first 64 of the queue to its head."""
    if replica.hash_tokens == 0 or replica.queue_count < 2:
        return
    best, best_before, most = int64(replica.queue_head), int64(NONE), -1
    before, at, seen = int64(NONE), int64(replica.queue_head), 0
    while at != NONE and seen < LOOK_AHEAD:
        hits = _prefix.hit_count(replica, requests[at], hashes, cache)
        if hits > most:
            best, best_before, most = at, before, hits
        before, at, seen = at, int64(requests[at].next), seen + 1
    if best_before == NONE:
        return
    requests[best_before].next = requests[best].next
    if replica.queue_tail == best:
        replica.queue_tail = best_before
    requests[best].next = replica.queue_head
    replica.queue_head = best


@njit(cache=True)
def sort_queue(replica: Any, requests: Any) -> None:
    """Order the queue by `rank` again, after a policy has changed some; equal ranks keep their order."""
    at = int64(replica.queue_head)
    tail = int64(NONE)
    replica.queue_head = NONE
    while at != NONE:
        following, rank = int64(requests[at].next), requests[at].rank
        before = tail
        if tail != NONE and requests[tail].rank > rank:
            before = int64(NONE)
            place = int64(replica.queue_head)
            while requests[place].rank <= rank:
                before, place = place, int64(requests[place].next)
        if before == NONE:
            requests[at].next = replica.queue_head
            replica.queue_head = at
        else:
            requests[at].next = requests[before].next
            requests[before].next = at
        if before == tail:
            tail = at
        at = following
    replica.queue_tail = tail
    replica.blocked = 0


@njit(cache=True)
def enter(replica: Any, requests: Any, number: int) -> None:
    """The request just admitted has its KV here already: it decodes in this very step."""
    replica.prefill_count -= 1
    request = requests[number]
    request.swapped = 0
    if request.first_token_s < 0.0:  # made by a prefill pool, sent from here
        request.first_token_s = replica.now_s
        request.last_token_s = replica.now_s
    join_decodes(replica, requests, number)
