"""One replica: steps are composed by the policy, timed by the tables, and committed; equal decode steps run together.

A run of decode steps ends at the first completion, at the next event outside, or when KV blocks may run out; inside it
a step costs two table look-ups and a few additions, whatever the batch. Nothing is lost: every step is timed.
"""

from __future__ import annotations

import math
from typing import Any

from numba import float64, int64, types

from simcore.cost.jit import njit
from simcore.engine.accounts import account, account_of, add_waiting, count_itl, mean_kv, write_log
from simcore.engine.decode_line import draw_line, next_on_line, on_line, steps_at_once, take_steps
from simcore.engine.step_length import step_s
from simcore.policy.records import DONE, NONE, REFUSED
from simcore.policy.scheduler import _prefix
from simcore.policy.scheduler._decodes import NEVER, blocks_of, find_span, join_decodes, settle, stop_growing
from simcore.policy.scheduler._verbs import grown_blocks, push, release, take_blocks
from simcore.step.kernel import (
    ENERGY_PURE,
    UNKNOWN_RUN,
    decode_run,
    in_row,
    row_of,
)


@njit(cache=True)
def advance(
    replica: Any, requests: Any, times: Any, hashes: Any, cache: Any, compose: Any, log: Any, until_s: float
) -> None:
    """Run one replica: commit steps that end by `until_s`, start steps that begin before it."""
    while replica.up != 0:
        if replica.stop_at_done == 1 and replica.done_head != NONE:
            return
        if replica.pending == 1:
            if replica.step_end_s > until_s:
                return
            commit(replica, requests, times, hashes, cache, log)
            continue
        if replica.now_s >= until_s:
            return
        if _steady(replica) and _run_decodes(replica, requests, times, hashes, cache, log, until_s):
            continue
        if not begin(replica, requests, times, hashes, cache, compose):
            if replica.queue_count == 0:
                return
            if replica.wake_s <= replica.now_s:
                return
            woken_s = min(until_s, replica.wake_s)
            add_waiting(replica, replica.now_s, woken_s, replica.queue_count)
            replica.now_s = woken_s


@njit(cache=True)
def begin(replica: Any, requests: Any, times: Any, hashes: Any, cache: Any, compose: Any) -> bool:
    """Compose the next step and put it in flight; False if there is nothing to run now."""
    replica.wake_s = math.inf
    replica.visible_s = replica.now_s
    if replica.ahead == 1 and replica.step_end_s == replica.now_s:
        replica.visible_s = replica.step_start_s
    compose(replica, requests, hashes, cache)
    if replica.chunk_count == 0 and replica.step_decodes == 0 and replica.ahead == 1:
        replica.visible_s = replica.now_s
        replica.late_blocks = 0
        replica.late_slots = 0
        compose(replica, requests, hashes, cache)
    if replica.chunk_count == 0 and replica.step_decodes == 0:
        return False
    if replica.queue_count > 0 and replica.chunk_count == 0 and replica.late_slots == 0:
        replica.blocked = int(requests[replica.queue_head].ready_s <= replica.visible_s)
    replica.step_start_s = replica.now_s
    replica.step_end_s = replica.now_s + step_s(replica, requests, times)
    replica.length_s = 0.0
    replica.extra_s = 0.0
    replica.pending = 1
    return True


@njit(cache=True)
def _steady(replica: Any) -> Any:
    """Whether the next step is again all decodes and nothing else, whatever the policy."""
    return (
        replica.step_decodes == 1
        and replica.decode_count > 0
        and replica.prefill_count == 0
        and replica.chunk_count == 0
        and replica.draft_tokens == 0
        and (replica.queue_count == 0 or replica.blocked == 1)
    )


@njit(cache=True)
def _run_decodes(replica: Any, requests: Any, times: Any, hashes: Any, cache: Any, log: Any, until_s: float) -> bool:
    """Decode until something finishes, or `until_s`; a step over it stays in flight. False where blocks run short."""
    replica.step_table = replica.step_times + replica.clock_pure
    record = times[replica.step_table]
    first_s, batch = replica.now_s, replica.decode_count
    run, row = UNKNOWN_RUN, row_of(record, ENERGY_PURE, float64(batch))
    steps, has_room, is_drawn, is_known = 0, True, on_line(replica), False
    while replica.now_s < until_s:
        if not is_drawn or replica.tick - replica.line_tick >= replica.line_steps:
            if not is_known:
                run, is_known = decode_run(record, float64(batch)), True
            draw_line(replica, record, run)
            is_drawn = True
        count = steps_at_once(replica, record, until_s)
        if count > 1:
            take_steps(replica, cache, record, row, count)
        else:
            need = grown_blocks(replica, replica.tick % replica.block_tokens)
            if need + replica.spare_block > replica.free_blocks:
                replica.blocked = 0
                has_room = False
                break
            take_blocks(replica, cache, need)
            replica.step_start_s, replica.step_tokens = replica.now_s, batch
            next_on_line(replica)
            if replica.step_end_s > until_s:
                replica.pending = 1
                break
            count = 1
            account_of(replica, record, in_row(record, ENERGY_PURE, row, mean_kv(replica)))
            replica.now_s = replica.step_end_s
            _tick(replica, requests)
        steps += count
        replica.late_blocks = 0
        replica.late_slots = 0
        if replica.tick >= replica.next_finish_tick:
            free, slots = replica.free_blocks, replica.decode_count
            _sweep(replica, requests, hashes, cache)
            replica.late_blocks = (replica.free_blocks - free) * replica.ahead
            replica.late_slots = (slots - replica.decode_count) * replica.ahead
            break
    if steps > 0:
        write_log(replica, log, steps, first_s)
    return has_room


@njit(cache=True)
def commit(replica: Any, requests: Any, times: Any, hashes: Any, cache: Any, log: Any) -> None:
    """End the step in flight: tokens appear, KV grows, finished requests leave."""
    free, slots = replica.free_blocks, replica.decode_count + replica.prefill_count
    record = times[replica.step_table]
    account(replica, record, replica.chunk_count > 0)
    replica.now_s = replica.step_end_s
    replica.pending = 0
    if replica.step_decodes == 1:
        _decoded(replica, requests, hashes, cache)
    if replica.chunk_count > 0:
        _prefilled(replica, requests, hashes, cache)
    replica.late_blocks = (replica.free_blocks - free) * replica.ahead
    replica.late_slots = (slots - replica.decode_count - replica.prefill_count) * replica.ahead
    write_log(replica, log, 1, replica.step_start_s)


@njit(cache=True)
def _decoded(replica: Any, requests: Any, hashes: Any, cache: Any) -> Any:
    """Every decode has a token more; True if somebody finished."""
    if replica.draft_tokens > 0:
        return _decoded_drafts(replica, requests, hashes, cache)
    if not _tick(replica, requests):
        return False
    _sweep(replica, requests, hashes, cache)
    return True


@njit(inline="always")
def _tick(replica: Any, requests: Any) -> Any:
    """Every decode has exactly one token more; True if one was the last of somebody."""
    now_s, batch, fresh = replica.step_end_s, replica.decode_count, replica.fresh_count
    gap_s = now_s - replica.last_decode_s
    if replica.length_s > 0.0 and replica.last_decode_s == replica.step_start_s:
        gap_s = replica.length_s
    count_itl(replica, gap_s, batch - fresh)
    for at in range(batch - fresh, batch):
        count_itl(replica, now_s - requests[replica.decodes[at]].last_token_s, 1)
    replica.fresh_count = 0
    replica.last_decode_s = now_s
    replica.tick += 1
    replica.decode_kv_tokens += batch
    replica.decode_tokens += batch
    return replica.tick >= replica.next_finish_tick


@njit(cache=True)
def _sweep(replica: Any, requests: Any, hashes: Any, cache: Any) -> None:
    """Finish every decode whose last tick this was; find the next finish."""
    kept = 0
    coming = int64(NEVER)
    for at in range(replica.decode_count):
        number = replica.decodes[at]
        finish_tick = requests[number].finish_tick
        if finish_tick <= replica.tick:
            settle(replica, requests, int64(number))
            finish(replica, requests, hashes, cache, int64(number))
        else:
            if 0 <= requests[number].cap_tick <= replica.tick:
                stop_growing(replica, requests[number])
            elif requests[number].cap_tick > replica.tick:
                coming = min(coming, requests[number].cap_tick)
            coming = min(coming, finish_tick)
            replica.decodes[kept] = number
            kept += 1
    replica.decode_count = kept
    replica.next_finish_tick = coming
    find_span(replica, requests)


@njit(cache=True)
def _decoded_drafts(replica: Any, requests: Any, hashes: Any, cache: Any) -> bool:
    """Speculation: each decode gains one token and as many drafted ones as are accepted in a row.

    Where the first candidate of a depth is refused, the step draws once whether one of the others is accepted; the
    draft ends there. With acceptance a, depth d and width w a step gains on average
    1 + sum of a**k for k = 1 .. d + (1 - (1 - a)**(w - 1)) (1 - a**d) tokens.
    """
    sibling_ratio = 1.0 - (1.0 - replica.acceptance_ratio) ** (replica.draft_width - 1)
    any_done = False
    now_s = replica.step_end_s
    replica.last_decode_s = now_s
    replica.fresh_count = 0
    replica.tick += 1
    for at in range(replica.decode_count):
        request = requests[replica.decodes[at]]
        tokens = 1
        while tokens <= replica.draft_tokens and _uniform(replica) < replica.acceptance_ratio:
            tokens += 1
        if replica.draft_width > 1 and tokens <= replica.draft_tokens and _uniform(replica) < sibling_ratio:
            tokens += 1
        tokens = min(tokens, request.goal_tokens - request.generated_tokens)
        count_itl(replica, (now_s - request.last_token_s) / tokens, tokens)
        request.last_token_s = now_s
        request.generated_tokens += tokens
        request.computed_tokens += tokens
        replica.decode_kv_tokens += tokens
        replica.decode_tokens += tokens
        replica.decoded[int(now_s / replica.series_width_s)] += tokens - 1  # `account` has counted one
        if request.generated_tokens >= request.goal_tokens:
            request.finish_tick = replica.tick
            any_done = True
    if any_done:
        _sweep(replica, requests, hashes, cache)
    else:
        find_span(replica, requests)
    return any_done


@njit(cache=True)
def _uniform(replica: Any) -> Any:
    """The replica's own random number in [0, 1): splitmix64 (Steele, Lea and Flood 2014)."""
    replica.seed = types.uint64(replica.seed + types.uint64(0x9E3779B97F4A7C15))
    mixed = types.uint64(replica.seed)
    mixed = (mixed ^ (mixed >> types.uint64(30))) * types.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> types.uint64(27))) * types.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> types.uint64(31))
    return float64(mixed >> types.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True)
def _prefilled(replica: Any, requests: Any, hashes: Any, cache: Any) -> None:
    """Chunks are in KV; whole prompts give a token and join the decodes."""
    now_s = replica.step_end_s
    complete = 0
    for at in range(replica.chunk_count):
        number = int64(replica.chunk_request[at])
        request = requests[number]
        request.computed_tokens += replica.chunk_size[at]
        replica.prefill_tokens += replica.chunk_size[at]
        _prefix.keep(replica, request, hashes, cache)
        complete += int(request.computed_tokens >= request.target_tokens)
    if complete == 0:
        return
    kept = 0
    for at in range(replica.prefill_count):
        number = int64(replica.prefills[at])
        request = requests[number]
        if request.computed_tokens < request.target_tokens:
            replica.prefills[kept] = number
            kept += 1
        elif request.swapped == 1:
            request.swapped = 0
            join_decodes(replica, requests, number)
        else:
            _token(replica, request, now_s)
            if request.generated_tokens >= request.goal_tokens:
                finish(replica, requests, hashes, cache, number)
            else:
                join_decodes(replica, requests, number)
    replica.prefill_count = kept


@njit(cache=True)
def _token(replica: Any, request: Any, now_s: float) -> None:
    """A prefill gave a token: the first one, or the next after a restart."""
    request.generated_tokens += 1
    if request.first_token_s < 0:
        request.first_token_s = now_s
    else:
        count_itl(replica, now_s - request.last_token_s, 1)
    request.last_token_s = now_s


@njit(cache=True)
def finish(replica: Any, requests: Any, hashes: Any, cache: Any, number: int) -> None:
    """A request is done here: frees its KV and joins the done list."""
    request = requests[number]
    request.done_s = replica.step_end_s
    request.last_token_s = replica.step_end_s
    request.state = DONE
    release(replica, requests, hashes, cache, number)
    replica.blocked = 0
    replica.finished += 1
    replica.outstanding -= 1
    replica.outstanding_tokens -= request.input_tokens + request.output_tokens
    request.next = NONE
    if replica.done_head == NONE:
        replica.done_head = number
    else:
        requests[replica.done_tail].next = number
    replica.done_tail = number


@njit(inline="always")
def too_large(replica: Any, tokens: Any) -> Any:
    """Whether the KV of a sequence of so many tokens could never fit."""
    most = blocks_of(replica, tokens + replica.draft_tokens * replica.draft_width)
    return most + replica.spare_block > replica.kv_blocks - replica.watermark_blocks


@njit(cache=True)
def submit(replica: Any, requests: Any, number: int, now_s: float) -> bool:
    """Hand a request to a replica at `now_s`; False (state REFUSED) if its KV could never fit."""
    request = requests[number]
    request.ready_s = now_s
    request.target_tokens = request.input_tokens + request.generated_tokens
    if request.swapped == 1:
        request.target_tokens = request.computed_tokens
    if request.goal_tokens == 0:
        request.goal_tokens = request.output_tokens
    if too_large(replica, request.input_tokens + request.goal_tokens):
        request.state = REFUSED
        return False
    if replica.pending == 0 and replica.queue_count == 0 and replica.decode_count + replica.prefill_count == 0:
        replica.now_s = max(replica.now_s, now_s)
    if replica.pending == 1 and now_s > replica.step_start_s:
        add_waiting(replica, replica.step_start_s, now_s, -1)  # the step in flight counts all of its time
    elif replica.pending == 0 and now_s < replica.now_s:
        add_waiting(replica, now_s, replica.now_s, 1)
    replica.outstanding += 1
    replica.outstanding_tokens += request.input_tokens + request.output_tokens
    push(replica, requests, number)
    return True
