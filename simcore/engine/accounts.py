"""What a replica writes down about its steps: counters, gaps between tokens, time series, the optional log."""

from __future__ import annotations

from typing import Any

from numba import float64

from simcore.cost.jit import bits_of, float_of, njit
from simcore.policy.records import ITL_BINS, ITL_LOWEST_S, ITL_PER_OCTAVE, SERIES_BINS
from simcore.step.kernel import ONE, mixed_step_j, pure_step_j

FRACTION = (1 << 52) - 1
"""the bits of a float behind its exponent"""


@njit(inline="always")
def count_itl(replica: Any, gap_s: float, tokens: int) -> None:
    """Count a gap between tokens, `tokens` times."""
    if tokens > 0:
        add_itl(replica, itl_place(gap_s), tokens)


@njit(inline="always")
def itl_place(gap_s: float) -> Any:
    """The bin of a gap."""
    ratio = max(gap_s, ITL_LOWEST_S) / ITL_LOWEST_S
    bits = bits_of(float64(ratio))
    mantissa = float_of((bits & FRACTION) | (ONE << 52))
    place = ((bits >> 52) - ONE) * ITL_PER_OCTAVE + int((mantissa - 1.0) * ITL_PER_OCTAVE)
    return min(place, ITL_BINS - 1)


@njit(inline="always")
def add_itl(replica: Any, place: int, tokens: int) -> None:
    """Count so many gaps of one bin."""
    replica.itl_count[place] += tokens


@njit(cache=True)
def account(replica: Any, record: Any, has_chunk: bool) -> None:
    """Add the step to counters and time series."""
    batch = replica.decode_count * replica.step_decodes
    if has_chunk:
        energy_j = mixed_step_j(record, float64(replica.step_tokens), float64(batch), mean_kv(replica))
    else:
        energy_j = pure_step_j(record, float64(replica.step_tokens), mean_kv(replica))
    account_of(replica, record, energy_j)


@njit(inline="always")
def mean_kv(replica: Any) -> Any:
    """Mean KV tokens of the decodes."""
    return float64(replica.decode_kv_tokens) / max(1, replica.decode_count)


@njit(cache=True)
def account_of(replica: Any, record: Any, above_idle_j: float) -> None:
    """Add the step with its energy to counters and time series, split over the bins it spans."""
    start_s, end_s = replica.step_start_s, replica.step_end_s
    length_s = end_s - start_s
    energy_j = min(above_idle_j, record.most_w * length_s) + record.idle_w * length_s
    replica.steps += 1
    replica.busy_s += length_s
    replica.energy_j += energy_j
    _reach(replica, end_s)
    at = int(start_s / replica.series_width_s)
    last = int(end_s / replica.series_width_s)
    if at == last or length_s <= 0.0:
        _add_series(replica, at, length_s, 1.0, energy_j)
        return
    while at <= last:
        low = max(start_s, at * replica.series_width_s)
        part_s = min(end_s, (at + 1) * replica.series_width_s) - low
        _add_series(replica, at, part_s, part_s / length_s, energy_j)
        at += 1


@njit(inline="always")
def _add_series(replica: Any, at: int, part_s: float, share: float, energy_j: float) -> None:
    decodes = replica.decode_count * replica.step_decodes
    replica.busy[at] += part_s
    replica.energy[at] += energy_j * share
    replica.decoded[at] += decodes * share
    replica.prefilled[at] += (replica.step_tokens - decodes * (1 + replica.draft_tokens * replica.draft_width)) * share
    replica.running_s[at] += (replica.decode_count + replica.prefill_count) * part_s
    replica.waiting_s[at] += replica.queue_count * part_s
    replica.kv_block_s[at] += (replica.kv_blocks - replica.free_blocks) * part_s


@njit(cache=True)
def add_waiting(replica: Any, start_s: float, end_s: float, count: int) -> None:
    """So many requests that wait from `start_s` to `end_s`, beside what the steps count; below zero: that did not."""
    _reach(replica, end_s)
    at, last = int(start_s / replica.series_width_s), int(end_s / replica.series_width_s)
    while at <= last:
        low = max(start_s, at * replica.series_width_s)
        replica.waiting_s[at] += count * (min(end_s, (at + 1) * replica.series_width_s) - low)
        at += 1


@njit(inline="always")
def _reach(replica: Any, end_s: float) -> None:
    """Make the bins of the series wide enough for a time."""
    while end_s >= replica.series_width_s * SERIES_BINS:
        _halve_series(replica)
    replica.series_end_s = max(replica.series_end_s, end_s)


@njit(cache=True)
def _halve_series(replica: Any) -> None:
    """Twice the bin width: the series keeps its size however long the run."""
    for series in (
        replica.busy,
        replica.energy,
        replica.prefilled,
        replica.decoded,
        replica.running_s,
        replica.waiting_s,
        replica.kv_block_s,
    ):
        half = SERIES_BINS // 2
        for at in range(half):
            series[at] = series[2 * at] + series[2 * at + 1]
        for at in range(half, SERIES_BINS):
            series[at] = 0.0
    replica.series_width_s *= 2.0


@njit(cache=True)
def write_log(replica: Any, log: Any, steps: int, start_s: float) -> None:
    """Write the step (or run of equal steps) just done into the log, while there is room."""
    if replica.logged >= log.size or log[replica.logged].replica < 0:
        return
    row = log[replica.logged]
    replica.logged += 1
    decodes = replica.step_tokens
    row.chunks = replica.chunk_count
    row.chunk_tokens = 0
    for at in range(replica.chunk_count):
        row.chunk_tokens += replica.chunk_size[at]
    row.steps = steps
    row.start_s = start_s
    row.end_s = replica.now_s  # of a run that a step in flight has ended: before that step
    row.decodes = decodes - row.chunk_tokens
    row.waiting = replica.queue_count
    row.used_blocks = replica.kv_blocks - replica.free_blocks
