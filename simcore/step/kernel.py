"""`StepTimes` compiled: the numba functions that read its record (`simcore.step.packed`)."""

from __future__ import annotations

import math
from typing import Any

from numba.extending import register_jitable

from simcore.cost.jit import bits_of, float_of, from_dtype, njit
from simcore.step.overlap import KERNELS, overlapped_s
from simcore.step.packed import (
    COMMUNICATION,
    DECODE_MIXED,
    DECODE_PURE,
    DENSE_MIXED,
    DENSE_PURE,
    ENERGY_MIXED,
    ENERGY_PURE,
    FED_MIXED,
    FED_PURE,
    HEAD,
    HELD_DECODE,
    HELD_MIXED,
    HELD_PURE,
    HOST_MIXED,
    HOST_PURE,
    PREFILL,
    READ_MIXED,
    READ_PURE,
    STEP_TIMES,
    STREAM_DECODE,
    STREAM_MIXED,
    STREAM_PREFILL,
    STREAM_PURE,
    UNEVEN_MIXED,
    UNEVEN_PURE,
    pack,
)

__all__ = [
    "COMMUNICATION",
    "DECODE_PURE",
    "DENSE_MIXED",
    "DENSE_PURE",
    "ENERGY_MIXED",
    "ENERGY_PURE",
    "PREFILL",
    "STEP_TIMES",
    "STEP_TIMES_TYPE",
    "STREAM_PREFILL",
    "UNKNOWN_RUN",
    "decode_run",
    "decode_step_s",
    "in_row",
    "lookup",
    "lookup_2d",
    "mixed_step_j",
    "mixed_step_s",
    "mixed_streamed_s",
    "pack",
    "pure_step_j",
    "run_step_s",
    "steps_in_cell",
]
STEP_TIMES_TYPE = from_dtype(STEP_TIMES)
for law in KERNELS:
    register_jitable(law)
FAR = 2**31
"""steps: no end of a line in sight"""
ONE = 1023
"""the exponent of 1.0 in a float's bits"""


@njit(inline="always")
def _place(value: float, unit: float, linear: int, size: int, round_up: int) -> Any:
    """(index of the knot below, fraction of the way to the next); the last interval is continued beyond the end."""
    scaled = value / unit
    if round_up == 1:
        scaled = math.ceil(scaled - 1e-9)
    if scaled < linear:
        index = int(scaled)
        fraction = scaled - index
    else:
        octave = (bits_of(float(scaled / linear)) >> 52) - ONE
        scaled = scaled * float_of((ONE - octave) << 52)
        index = int(scaled)
        fraction = scaled - index
        index += linear * octave
    if index > size - 2:
        fraction = _beyond(value / unit, linear, size)
        index = size - 2
    return index, fraction


@njit(cache=True)
def _beyond(scaled: float, linear: int, size: int) -> Any:
    low = _knot(size - 2, linear)
    return (scaled - low) / (_knot(size - 1, linear) - low)


@njit(cache=True)
def _knot(index: int, linear: int) -> float:
    octave = max(index // linear - 1, 0)
    return math.ldexp(float(index - linear * octave), octave)


@njit(cache=True)
def lookup(record: Any, table: int, x: float) -> Any:
    """Linear interpolation in a one-axis table."""
    if record.flat[table] == 1:
        return record.pool[record.offset[table]]
    index, fraction = _place(
        x, record.unit_x[table], record.linear_x[table], record.size_x[table], record.round_x[table]
    )
    at = record.offset[table] + index
    low = record.pool[at]
    return low + fraction * (record.pool[at + 1] - low)


@njit(cache=True)
def row_of(record: Any, table: int, x: float) -> Any:
    """(place of the row of a two-axis table below x, fraction of the way to the next one)."""
    if record.flat[table] == 1:
        return record.offset[table], 0.0
    i, u = _place(x, record.unit_x[table], record.linear_x[table], record.size_x[table], record.round_x[table])
    return record.offset[table] + i * record.size_y[table], u


@njit(cache=True)
def steps_in_cell(record: Any, table: int, y: float) -> Any:
    """How many of y, y + 1, y + 2 ... lie on one straight line of a table's second axis."""
    if record.flat[table] == 1:
        return FAR
    unit, linear, size = record.unit_y[table], record.linear_y[table], record.size_y[table]
    scaled = y / unit
    rounded = record.round_y[table] == 1
    if rounded:
        scaled = math.ceil(scaled - 1e-9)
    octave = max(0, (bits_of(float(max(scaled, 1.0) / linear)) >> 52) - ONE)
    index = int(scaled * float_of((ONE - octave) << 52)) + linear * octave
    if index > size - 2:
        return FAR
    end = scaled if rounded else _knot(index + 1, linear)
    return max(1, math.floor(end * unit - y) + 1)


@njit(inline="always")
def in_row(record: Any, table: int, row: Any, y: float) -> Any:
    """Bilinear interpolation, from a row on."""
    if record.flat[table] == 1:
        return record.pool[record.offset[table]]
    j, v = _place(y, record.unit_y[table], record.linear_y[table], record.size_y[table], record.round_y[table])
    columns = record.size_y[table]
    at, u = row[0] + j, row[1]
    low = record.pool[at] + v * (record.pool[at + 1] - record.pool[at])
    high = record.pool[at + columns] + v * (record.pool[at + columns + 1] - record.pool[at + columns])
    return low + u * (high - low)


@njit(cache=True)
def lookup_2d(record: Any, table: int, x: float, y: float) -> Any:
    """Bilinear interpolation in a two-axis table."""
    return in_row(record, table, row_of(record, table, x), y)


@njit(inline="always")
def merged(first_s: float, second_s: float, overlap_ratio: float) -> float:
    """Two times of which `overlap_ratio` of the shorter hides under the longer."""
    return first_s + second_s - overlap_ratio * min(first_s, second_s)


@njit(inline="always")
def uneven_s(record: Any, decode: int, uneven: int, rows: Any, kv_tokens: Any) -> Any:
    """Decode attention of sequences whose KV is (mean, shortest, longest), from the rows of two tables at their number.

    t = t(mean) + alpha (t(longest) - t(mean)), alpha by batch and (mean - shortest) / (longest - shortest).
    """
    mean, shortest, longest = kv_tokens
    attention = in_row(record, decode, rows[0], mean)
    if record.has_uneven == 1 and longest > shortest:
        alpha = in_row(record, uneven, rows[1], max(0.0, mean - shortest) / (longest - shortest))
        attention += alpha * (in_row(record, decode, rows[0], longest) - attention)
    return attention


@njit(cache=True)
def passed_through(record: Any, step_s: Any, experts_s: float, kv_s: float) -> Any:
    """The step beside its streams: all weights, the experts that its tokens ask for, its KV."""
    first_s = record.stream_first_s + experts_s * record.stream_token_first_ratio + kv_s * record.stream_kv_first_ratio
    later_s = record.stream_s + experts_s + kv_s + step_s * record.stream_own_ratio
    return max(step_s + first_s, later_s) + record.stream_wait_s


@njit(cache=True)
def decode_streamed_s(record: Any, step_s: Any, batch: float, mean_kv: float) -> Any:
    """A step of decodes beside its streams; on its own, so that steps of resident tensors stay short."""
    kv_s = lookup_2d(record, STREAM_DECODE, batch, mean_kv)
    return passed_through(record, step_s, lookup(record, STREAM_PURE, batch), kv_s)


@njit(cache=True)
def mixed_streamed_s(record: Any, step_s: Any, tokens: float, chunks_s: float, batch: float, mean_kv: float) -> Any:
    """A step with chunks, whose KV takes `chunks_s` to bring, beside its streams."""
    kv_s = chunks_s if batch == 0 else chunks_s + lookup_2d(record, STREAM_DECODE, batch, mean_kv)
    return passed_through(record, step_s, lookup(record, STREAM_MIXED, tokens), kv_s)


@njit(cache=True)
def in_parts(record: Any, tables: Any, tokens: Any, attention: Any, link_s: Any) -> Any:
    """Seconds of what micro-batches repeat, beside each other; on its own, so that plain steps stay short.

    `tables` are those of dense work, its reads, launches, units held and memory read; `attention` is (seconds of
    prompts', of decodes', units that the latter hold).
    """
    read, host = lookup(record, tables[1], tokens), lookup(record, tables[2], tokens)
    held, fed = lookup(record, tables[3], tokens), lookup(record, tables[4], tokens)
    product = max(lookup(record, tables[0], tokens) - read - host, 0.0)
    work = (product + attention[0], read + attention[1], link_s, host)
    parts = min(max(math.floor(tokens), 1.0), record.micro_batches)
    rule = (parts, record.late, record.stated[0], record.stated[1], record.stated[2])
    return overlapped_s(work, (held + attention[2], fed), rule)


PURE = (DENSE_PURE, READ_PURE, HOST_PURE, HELD_PURE, FED_PURE)
MIXED = (DENSE_MIXED, READ_MIXED, HOST_MIXED, HELD_MIXED, FED_MIXED)


UNKNOWN_RUN = (((0, 0.0), (0, 0.0)), 0.0, 0.0, 0.0, 0.0)
"""of the type of a run, before it is asked for"""


@njit(cache=True)
def decode_run(record: Any, batch: float) -> Any:
    """What all steps in which `batch` sequences decode have in common: rows of tables, and times that KV does not
    enter."""
    rows = row_of(record, DECODE_PURE, batch), row_of(record, UNEVEN_PURE, batch)
    dense, head = lookup(record, DENSE_PURE, batch), lookup(record, HEAD, batch)
    return rows, dense, head, lookup(record, COMMUNICATION, batch), batch


@njit(inline="always")
def run_step_s(record: Any, run: Any, kv_tokens: Any) -> Any:
    """Seconds of one of those steps; `kv_tokens` is (mean, shortest, longest) of their KV."""
    attention = uneven_s(record, DECODE_PURE, UNEVEN_PURE, run[0], kv_tokens)
    if record.micro_batches > 0.0:
        held = lookup_2d(record, HELD_DECODE, run[4], kv_tokens[0])
        return record.host_pure_s + in_parts(record, PURE, run[4], (0.0, attention, held), run[3]) + run[2]
    busy = run[1] + attention
    busy += run[2]
    busy = merged(busy, run[3], record.communication_overlap_ratio)
    step_s = record.host_pure_s + busy
    return step_s if record.streams == 0 else decode_streamed_s(record, step_s, run[4], kv_tokens[0])


@njit(cache=True)
def decode_step_s(record: Any, batch: float, kv_tokens: Any) -> Any:
    """Seconds of a step in which `batch` sequences decode; `kv_tokens` is (mean, shortest, longest) of their KV."""
    return run_step_s(record, decode_run(record, batch), kv_tokens)


@njit(cache=True)
def mixed_step_s(record: Any, tokens: float, prefill_s: float, batch: float, kv_tokens: Any, sequences: float) -> Any:
    """Seconds of a step with prefill chunks (attention `prefill_s`) and `batch` decodes; `tokens` counts both.

    What passes through the main tier is not in it: see `mixed_streamed_s`.
    """
    if record.micro_batches > 0.0:
        return mixed_in_parts(record, tokens, prefill_s, batch, kv_tokens, sequences)
    attention = prefill_s
    if batch > 0:
        rows = row_of(record, DECODE_MIXED, batch), row_of(record, UNEVEN_MIXED, batch)
        decode = uneven_s(record, DECODE_MIXED, UNEVEN_MIXED, rows, kv_tokens)
        attention = merged(prefill_s, decode, record.attention_overlap_ratio)
    busy = lookup(record, DENSE_MIXED, tokens) + attention + lookup(record, HEAD, sequences)
    busy = merged(busy, lookup(record, COMMUNICATION, tokens), record.communication_overlap_ratio)
    return record.host_mixed_s + busy


@njit(cache=True)
def mixed_in_parts(record: Any, tokens: float, prefill_s: float, batch: float, kv_tokens: Any, sequences: float) -> Any:
    """`mixed_step_s` of micro-batches beside each other."""
    decode, held = 0.0, 0.0
    if batch > 0:
        decode = lookup_2d(record, DECODE_MIXED, batch, kv_tokens[0])
        held = lookup_2d(record, HELD_DECODE, batch, kv_tokens[0])
    link_s = lookup(record, COMMUNICATION, tokens)
    busy = in_parts(record, MIXED, tokens, (prefill_s, decode, held), link_s)
    return record.host_mixed_s + busy + lookup(record, HEAD, sequences)


@njit(cache=True)
def pure_step_j(record: Any, tokens: float, kv_tokens: float) -> Any:
    """Joules above idle of a step of decodes of `tokens` in all, on `kv_tokens` on average."""
    return lookup_2d(record, ENERGY_PURE, tokens, kv_tokens)


@njit(cache=True)
def mixed_step_j(record: Any, tokens: float, batch: float, kv_tokens: float) -> Any:
    """Joules above idle of a step with chunks beside `batch` decodes; `tokens` counts both."""
    joules = lookup_2d(record, ENERGY_MIXED, tokens, batch)
    if batch > 0:
        longer = lookup_2d(record, ENERGY_PURE, batch, kv_tokens) - lookup_2d(record, ENERGY_PURE, batch, 1.0)
        joules += max(0.0, longer)
    return joules
