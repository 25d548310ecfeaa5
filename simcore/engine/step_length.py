"""How long the step lasts that a replica has composed."""

from __future__ import annotations

import math
from typing import Any

from numba import float64

from simcore.cost.jit import njit
from simcore.step.kernel import PREFILL, STREAM_PREFILL, decode_step_s, lookup_2d, mixed_step_s, mixed_streamed_s


@njit(cache=True)
def step_s(replica: Any, requests: Any, times: Any) -> Any:
    """Seconds of the composed step."""
    clock = replica.clock_pure if replica.chunk_count == 0 else replica.clock_mixed
    replica.step_table = replica.step_times + clock
    record = times[replica.step_table]
    batch = replica.decode_count * replica.step_decodes
    rows = float64(batch * (1 + replica.draft_tokens * replica.draft_width))
    if replica.chunk_count == 0:
        busy_s = decode_step_s(record, rows, kv_span(replica)) + replica.draft_s
        return busy_s / replica.speed + replica.extra_s
    prefill_s = 0.0
    squares = 0.0
    pasts = 0.0
    sequences = batch
    for at in range(replica.chunk_count):
        request = requests[replica.chunk_request[at]]
        chunk, past = replica.chunk_size[at], request.computed_tokens
        if chunk + past >= request.target_tokens:
            sequences += 1
        if record.square_merge == 1:
            squares += float64(chunk) * chunk
            pasts += (past + 63) // 64 * 64
        elif chunk > 0:
            prefill_s += lookup_2d(record, PREFILL, float64(chunk), float64(past))
    if record.square_merge == 1:
        prefill_s = lookup_2d(record, PREFILL, round(math.sqrt(squares)), pasts)
    tokens = float64(replica.step_tokens)
    busy_s = mixed_step_s(record, tokens, prefill_s, rows, kv_span(replica), float64(sequences))
    if record.streams == 1:
        chunks_s = _chunks_kv_s(replica, requests, record)
        busy_s = mixed_streamed_s(record, busy_s, tokens, chunks_s, rows, kv_span(replica)[0])
    return busy_s / replica.speed + replica.extra_s


@njit(cache=True)
def _chunks_kv_s(replica: Any, requests: Any, record: Any) -> Any:
    """Seconds to bring the KV of the step's chunks into the main tier."""
    found_s = 0.0
    for at in range(replica.chunk_count):
        past = float64(requests[replica.chunk_request[at]].computed_tokens)
        found_s += lookup_2d(record, STREAM_PREFILL, float64(replica.chunk_size[at]), past)
    return found_s


@njit(cache=True)
def kv_span(replica: Any) -> Any:
    """(mean, shortest, longest) KV tokens of the decodes, the mean rounded down."""
    mean = replica.decode_kv_tokens // max(1, replica.decode_count)
    shortest, longest = replica.shortest_offset + replica.tick, replica.longest_offset + replica.tick
    return float64(mean), float64(shortest), float64(longest)
