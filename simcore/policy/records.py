"""State of the event engine as numpy records: one per request, one per replica, one per block of the prefix cache.

Kernels touch records and never Python objects; engine settings lie in the replica record, because constants would be
frozen into compiled kernels. Times are seconds of the simulated clock; -1 marks "not yet".
"""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_RUNNING = 4096
"""most sequences that one replica may run at once (a width of the record, not a policy)"""
MAX_BLOCK_TOKENS = 256
MAX_TIERS = 4
MAX_STAGES = 64
TIER_ROWS = 2
"""rows of a tier before those of its prefix hashes"""
ITL_BINS = 1536
SERIES_BINS = 1024
ITL_LOWEST_S = 1e-4
ITL_PER_OCTAVE = 48
"""gaps between tokens are counted in bins from the lowest up, so many an octave"""
USER_REQUEST = 4
USER_REPLICA = 16
MAX_OPTIONS = 8
"""numbers that a scheduler of one's own may keep per request and per replica, and its options"""
NONE = -1

WAITING, RUNNING, DONE, REFUSED, LOST = range(5)
"""request states"""

REQUEST = np.dtype(
    [
        ("arrival_s", "f8"),
        ("ready_s", "f8"),  # when its replica got it (after routing, transfer, re-queueing)
        ("rank", "f8"),  # queue order of ordered policies: lowest first
        ("deadline_s", "f8"),  # latest first token of its SLO class, for deadline policies
        ("scheduled_s", "f8"),
        ("first_token_s", "f8"),
        ("last_token_s", "f8"),
        ("done_s", "f8"),
        ("first_hash", "i8"),  # prefix blocks: hashes[first_hash : first_hash + hash_count]
        ("hash_count", "i4"),
        ("held_hashes", "i4"),  # how many of them this request references in its replica's cache
        ("input_tokens", "i4"),
        ("output_tokens", "i4"),
        ("goal_tokens", "i4"),  # generated tokens at which this replica is done with it
        ("target_tokens", "i4"),  # prefill this many: the input, and what was generated before a restart
        ("computed_tokens", "i4"),  # tokens in KV (while decoding: at the time it joined)
        ("generated_tokens", "i4"),  # (while decoding: at the time it joined)
        ("cached_tokens", "i4"),  # input tokens found in the prefix cache at admission
        ("blocks", "i4"),  # KV blocks it owns (while decoding: at the time it joined), shared ones not counted
        ("join_tick", "i8"),
        ("finish_tick", "i8"),
        ("cap_tick", "i8"),  # tick at which its KV stops growing (window full); -1: not growing
        ("admission", "i8"),  # running number of its admission
        ("next", "i4"),  # queue and done-list link
        ("preemptions", "i4"),
        ("replica", "i4"),
        ("session", "i4"),
        ("tenant", "i2"),
        ("slo_class", "i2"),
        ("priority", "i2"),
        ("state", "i1"),
        ("swapped", "i1"),
        ("user", "f8", (USER_REQUEST,)),  # a scheduler's own; 0 at first
    ],
    align=True,
)

REPLICA = np.dtype(
    [
        # settings
        ("step_times", "i8"),  # which record of step times
        ("kv_blocks", "i8"),
        ("block_tokens", "i8"),
        ("watermark_blocks", "i8"),  # stay free at admission
        ("max_running", "i8"),
        ("token_budget", "i8"),  # tokens of one step, decodes included
        ("prefill_budget", "i8"),  # tokens of one step's prefill chunks
        ("chunk_tokens", "i8"),  # largest chunk of one sequence
        ("batch_wait_s", "f8"),  # dynamic batching: how long the first request waits for company
        ("reserve_output", "i8"),  # 1: KV for input and output at admission (never preempts)
        ("whole_prompt", "i8"),  # 1: KV for the whole prompt at admission; 0: chunk by chunk
        ("check_prompt", "i8"),  # 1: admit only if the whole prompt would fit, allocate chunk by chunk
        ("spare_block", "i8"),  # 1: a decode step needs one block more than it takes (Vidur)
        ("ahead", "i8"),  # 1: each step is composed while the one before it runs
        ("swap", "i8"),  # 1: preemption moves KV out instead of recomputing
        ("swap_s_per_block", "f8"),
        ("ordered", "i8"),  # 1: queue sorted by rank; 0: first come, first served
        ("hash_tokens", "i8"),  # tokens per prefix hash; 0: no prefix cache
        ("evict_by_hits", "i8"),  # 0: least recently used; 1: least frequently used
        ("radix", "i8"),  # 1: one copy of each prefix, whoever computed it; 0: a second copy stays with its request
        ("cache_start", "i8"),  # first row of its prefix hashes in the cache array
        ("cache_entries", "i8"),
        ("tier_count", "i8"),  # tiers below the KV
        ("tier_start", "i8", (MAX_TIERS,)),
        ("tier_hashes", "i8", (MAX_TIERS,)),  # capacity
        ("tier_read_s", "f8", (MAX_TIERS,)),  # per hash
        ("tier_write_s", "f8", (MAX_TIERS,)),
        ("tier_latency_s", "f8", (MAX_TIERS,)),
        ("tier_shared", "i8", (MAX_TIERS,)),
        ("offload_writes", "i8"),
        ("offload_computed", "i8"),
        ("offload_hits", "i8"),
        ("offload_demotes", "i8"),
        ("offload_moves", "i8"),
        ("window_tokens", "i8"),  # tokens that capped layers keep; 0: no layer is capped
        ("state_blocks", "i8"),  # held by every sequence, however long
        ("block_pages", "i8"),  # KV blocks that `block_tokens` tokens take within the window
        ("kept_pages", "i8"),  # and beyond it
        ("shared_pages", "i8"),  # and in the prefix cache
        ("draft_tokens", "i8"),  # speculation: depth proposed per step; 0: off
        ("draft_width", "i8"),  # candidates at each depth, of which the first goes on
        ("acceptance_ratio", "f8"),  # of each proposed token, given the one before was accepted
        ("draft_s", "f8"),  # time added per step by drafting
        ("clock_pure", "i8"),  # which clock's step times, counted from `step_times`, steps of decodes alone take
        ("clock_mixed", "i8"),  # and steps with a chunk
        ("stages", "i8"),  # pipeline stages that its steps pass one by one; 0: a step is one piece
        ("leader", "i8"),  # the replica whose record holds the clocks of the stages it shares
        ("stage_share", "f8", (MAX_STAGES,)),  # of a step's time, by stage
        ("stage_free_s", "f8", (MAX_STAGES,)),
        ("staged", "i8"),  # number of the step that has been through `enter_stages`
        ("ranks", "i8"),  # attention-dp ranks of its replica, neighbours here, that step together; 0 or 1: it is alone
        ("rank", "i8"),  # its place among them
        ("shared_times", "i8"),  # the record of the experts' part that all of them do together
        ("padded_tokens", "i8"),  # up to so many tokens on the fullest of them all are padded to it
        ("seed", "u8"),
        ("series_width_s", "f8"),
        ("options", "f8", (MAX_OPTIONS,)),  # of the scheduler, in the order of its `OPTIONS`
        ("user", "f8", (USER_REPLICA,)),  # a scheduler's own; 0 at first
        ("up", "i8"),  # 0: failed or not started; 1: serving; 2: serving what it has, no longer routed to
        ("stop_at_done", "i8"),  # 1: `advance` returns whenever a request has finished
        ("wake_s", "f8"),  # a policy that waits on purpose composes again then
        # clock and step in flight
        ("now_s", "f8"),
        ("step_end_s", "f8"),
        ("step_start_s", "f8"),
        ("visible_s", "f8"),  # arrivals later than this are not seen by the step being composed
        ("pending", "i8"),
        ("step_decodes", "i8"),
        ("step_tokens", "i8"),
        ("step_table", "i8"),  # the record of step times it was timed with
        ("chunk_count", "i8"),
        ("extra_s", "f8"),  # transfers that the next step waits for
        ("speed", "f8"),  # step times are divided by this (power caps); 1 normally
        ("length_s", "f8"),  # of the step in flight where it is one of a line's; else 0
        # line of equal decode steps (`simcore.engine.decode_line`)
        ("walk", "i8"),  # 1: each step by itself
        ("line_start_s", "f8"),  # clock of its anchor
        ("line_first_s", "f8"),
        ("line_slope_s", "f8"),  # by which each step is longer than the one before
        ("line_tick", "i8"),
        ("line_steps", "i8"),
        ("line_decodes", "i8"),  # from here on: what must not have changed
        ("line_kv_tokens", "i8"),
        ("line_shortest", "i8"),
        ("line_longest", "i8"),
        ("line_table", "i8"),
        ("line_speed", "f8"),
        # running set
        ("tick", "i8"),  # decode steps so far
        ("next_finish_tick", "i8"),
        ("decode_count", "i8"),
        ("decode_kv_tokens", "i8"),  # sum over decodes of KV length at this tick, the new token included
        ("shortest_offset", "i8"),  # KV length of the shortest decode minus tick
        ("longest_offset", "i8"),  # KV length of the longest decode minus tick: constant while it runs
        ("fresh_count", "i8"),  # decodes that joined since the last decode step (the tail of `decodes`)
        ("last_decode_s", "f8"),
        ("prefill_count", "i8"),
        ("free_blocks", "i8"),
        ("late_blocks", "i8"),  # freed by the step just done: not yet known to a step composed ahead
        ("late_slots", "i8"),
        ("blocked", "i8"),  # 1: composing again before something finishes admits nothing
        ("admissions", "i8"),
        # queue and done list
        ("queue_head", "i8"),
        ("queue_tail", "i8"),
        ("queue_count", "i8"),
        ("queue_tokens", "i8"),
        ("done_head", "i8"),
        ("done_tail", "i8"),
        ("outstanding", "i8"),
        ("outstanding_tokens", "i8"),
        # prefix cache
        ("evictable_blocks", "i8"),
        ("lru_head", "i8"),
        ("lru_tail", "i8"),
        # counters
        ("steps", "i8"),
        ("finished", "i8"),
        ("preemptions", "i8"),
        ("prefill_tokens", "i8"),
        ("decode_tokens", "i8"),
        ("cached_tokens", "i8"),
        ("looked_up_tokens", "i8"),
        ("evictions", "i8"),
        ("tier_hits", "i8", (MAX_TIERS,)),
        ("tier_writes", "i8", (MAX_TIERS,)),
        ("tier_evictions", "i8", (MAX_TIERS,)),
        ("tier_wait_s", "f8", (MAX_TIERS,)),  # by which its fetches delayed steps
        ("busy_s", "f8"),
        ("energy_j", "f8"),
        ("logged", "i8"),
        ("violation", "i8"),  # number of the first invariant that a checked run found broken; 0: none
        ("series_end_s", "f8"),
        # arrays
        ("phase_count", "i4", (MAX_BLOCK_TOKENS,)),  # blocks that decodes need when tick = phase modulo block
        ("decodes", "i4", (MAX_RUNNING,)),
        ("prefills", "i4", (MAX_RUNNING,)),
        ("chunk_request", "i4", (MAX_RUNNING,)),
        ("chunk_size", "i4", (MAX_RUNNING,)),
        ("itl_count", "i8", (ITL_BINS,)),
        ("busy", "f8", (SERIES_BINS,)),
        ("energy", "f8", (SERIES_BINS,)),
        ("prefilled", "f8", (SERIES_BINS,)),
        ("decoded", "f8", (SERIES_BINS,)),
        ("running_s", "f8", (SERIES_BINS,)),  # integral of running sequences
        ("waiting_s", "f8", (SERIES_BINS,)),  # integral of queued requests
        ("kv_block_s", "f8", (SERIES_BINS,)),  # integral of used blocks
    ],
    align=True,
)

BLOCK = np.dtype(
    [
        ("ready_s", "f8"),  # in a tier: when the copy is complete
        ("references", "i4"),
        ("resident", "i4"),
        ("hits", "i4"),
        ("newer", "i4"),
        ("older", "i4"),
    ],
    align=True,
)
"""one prefix hash in one replica's KV, or in one tier; those that may be evicted form a list, first to last

The first two rows of a tier are its own: ends of its list (`newer` the first to forget, `older` the last) and its
length in `references`; `ready_s` is when its link is free, upwards in the first row and downwards in the second.
"""

STEP = np.dtype(
    [
        ("replica", "i4"),
        ("steps", "i4"),
        ("start_s", "f8"),
        ("end_s", "f8"),
        ("chunks", "i4"),
        ("chunk_tokens", "i4"),
        ("decodes", "i4"),
        ("waiting", "i4"),
        ("used_blocks", "i4"),
    ],
    align=True,
)
"""one step (or run of equal decode steps) in the optional log"""


def new_requests(count: int) -> Any:
    """`count` empty request records."""
    requests = np.zeros(count, REQUEST)
    for name in ("scheduled_s", "first_token_s", "last_token_s", "done_s"):
        requests[name] = -1.0
    for name in ("next", "replica"):
        requests[name] = NONE
    requests["deadline_s"] = np.inf
    return requests


def new_replicas(count: int) -> Any:
    """`count` idle replica records without settings."""
    replicas = np.zeros(count, REPLICA)
    for name in (
        "queue_head",
        "queue_tail",
        "done_head",
        "done_tail",
        "lru_head",
        "lru_tail",
    ):
        replicas[name] = NONE
    for name in ("speed", "up", "series_width_s"):
        replicas[name] = 1
    replicas["next_finish_tick"] = np.iinfo(np.int64).max
    replicas["last_decode_s"] = -1.0
    return replicas
