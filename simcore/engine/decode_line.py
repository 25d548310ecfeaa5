"""Runs of equal decode steps without walking them.

While the same sequences decode, their mean, shortest and longest KV grow by one token a step, so that step times lie
on a straight line until one of them leaves its cell of a table (or a maximum inside the step changes sides). Step k
from the anchor takes t0 + k d and ends at anchor + k t0 + d k (k - 1) / 2, one formula wherever a run is cut: stepped
one by one or many at once, clocks and counts are the same bits; sums over steps (energy, series) differ by rounding.
"""

from __future__ import annotations

import math
from typing import Any

from numba import float64, int64

from simcore.cost.jit import njit
from simcore.engine.accounts import add_itl, itl_place, mean_kv
from simcore.policy.records import SERIES_BINS
from simcore.policy.scheduler._verbs import take_blocks
from simcore.step.kernel import DECODE_PURE, ENERGY_PURE, in_row, run_step_s, steps_in_cell

LEAST = 6
"""steps to the next finish for which looking for the end of a line pays"""
BENT = 1e-12
"""relative distance of a step from the chord that is no rounding"""


@njit(inline="always")
def line_end_s(replica: Any, steps: Any) -> Any:
    """Clock after so many steps from the anchor."""
    later_s = steps * replica.line_first_s + replica.line_slope_s * (0.5 * steps * (steps - 1.0))
    return replica.line_start_s + later_s


@njit(inline="always")
def line_length_s(replica: Any, step: Any) -> Any:
    """Seconds of a step, the first from the anchor is 0."""
    return replica.line_first_s + replica.line_slope_s * step


@njit(inline="always")
def on_line(replica: Any) -> Any:
    """Whether the next step is one of the line's: the same decodes, as long as they must be by now, at its clock."""
    step = replica.tick - replica.line_tick
    return (
        0 <= step < replica.line_steps
        and replica.line_decodes == replica.decode_count
        and replica.line_kv_tokens + step * replica.decode_count == replica.decode_kv_tokens
        and replica.line_shortest == replica.shortest_offset
        and replica.line_longest == replica.longest_offset
        and replica.line_speed == replica.speed
        and replica.line_table == replica.step_table
        and line_end_s(replica, float64(step)) == replica.now_s
    )


@njit(cache=True)
def draw_line(replica: Any, record: Any, run: Any) -> None:
    """Anchor a line at this clock; `run` is what its steps have in common. Of few steps each is a line by itself."""
    batch = replica.decode_count
    mean = replica.decode_kv_tokens // batch
    shortest, longest = replica.shortest_offset + replica.tick, replica.longest_offset + replica.tick
    steps = max(int64(1), replica.next_finish_tick - replica.tick)
    if steps < LEAST:
        steps = int64(1)
    else:
        steps = min(steps, steps_in_cell(record, DECODE_PURE, float64(mean)))
        if record.has_uneven == 1 and longest > shortest:
            steps = min(steps, steps_in_cell(record, DECODE_PURE, float64(longest)))
    first_s = _at(record, run, mean, shortest, longest, int64(0))
    last_s = _at(record, run, mean, shortest, longest, steps - 1) if steps > 1 else first_s
    while steps > 2:
        middle = (steps - 1) // 2
        chord_s = first_s + (last_s - first_s) * (float64(middle) / (steps - 1))
        if abs(_at(record, run, mean, shortest, longest, middle) - chord_s) <= BENT * chord_s:
            break
        steps = middle + 1
        last_s = _at(record, run, mean, shortest, longest, steps - 1)
    replica.line_start_s, replica.line_tick, replica.line_steps = replica.now_s, replica.tick, steps
    replica.line_first_s = first_s / replica.speed
    replica.line_slope_s = (last_s - first_s) / replica.speed / (steps - 1) if steps > 1 else 0.0
    replica.line_decodes, replica.line_kv_tokens = batch, replica.decode_kv_tokens
    replica.line_shortest, replica.line_longest = replica.shortest_offset, replica.longest_offset
    replica.line_speed, replica.line_table = replica.speed, replica.step_table


@njit(inline="always")
def next_on_line(replica: Any) -> None:
    """Time the next step by the line that it is on."""
    step = float64(replica.tick - replica.line_tick)
    replica.step_end_s, replica.length_s = line_end_s(replica, step + 1.0), line_length_s(replica, step)


@njit(cache=True)
def _at(record: Any, run: Any, mean: int, shortest: int, longest: int, step: int) -> Any:
    return run_step_s(record, run, (float64(mean + step), float64(shortest + step), float64(longest + step)))


@njit(cache=True)
def steps_at_once(replica: Any, record: Any, until_s: float) -> Any:
    """How many steps from here are of one kind: on the line, to the next finish, ended by `until_s`, inside one bin of
    the time series and one cell of the energies, with KV blocks for all. Less than 2: take one by itself."""
    step = replica.tick - replica.line_tick
    count = min(replica.line_steps - step, replica.next_finish_tick - replica.tick)
    if count < 2 or replica.fresh_count > 0 or replica.last_decode_s != replica.now_s or replica.walk == 1:
        return int64(1)
    if line_end_s(replica, float64(step + 2)) > until_s:
        return int64(1)
    count = min(count, steps_in_cell(record, ENERGY_PURE, mean_kv(replica)))
    bin_end_s = (math.floor(replica.now_s / replica.series_width_s) + 1.0) * replica.series_width_s
    if bin_end_s > replica.series_width_s * SERIES_BINS:
        return int64(1)
    least, most = int64(0), count
    if line_end_s(replica, float64(step + count)) <= until_s and line_end_s(replica, float64(step + count)) < bin_end_s:
        least = count
    while most - least > 1:
        middle = (least + most) // 2
        end_s = line_end_s(replica, float64(step + middle))
        if end_s <= until_s and end_s < bin_end_s:
            least = middle
        else:
            most = middle
    if least > 1 and blocks_needed(replica, least) + replica.spare_block > replica.free_blocks:
        return int64(1)
    return least


@njit(inline="always")
def _fillings(replica: Any, place: int, count: int) -> Any:
    """How often in `count` steps from here the blocks fill that are `place` steps away."""
    return (count - place + replica.block_tokens - 1) // replica.block_tokens


@njit(cache=True)
def blocks_needed(replica: Any, count: int) -> Any:
    """KV blocks that `count` steps take."""
    needed = int64(0)
    if replica.reserve_output == 1:
        return needed
    for place in range(min(count, replica.block_tokens)):
        filled = replica.phase_count[(replica.tick + place) % replica.block_tokens]
        if filled > 0:
            needed += filled * _fillings(replica, place, count)
    return needed


@njit(cache=True)
def held_block_s(replica: Any, count: int, first_s: float) -> Any:
    """Blocks taken in `count` steps, each times the seconds from then to the last one's end."""
    slope_s, size = replica.line_slope_s, float64(replica.block_tokens)
    whole_s = count * first_s + slope_s * (0.5 * count * (count - 1.0))
    held = 0.0
    if replica.reserve_output == 1:
        return held
    for place in range(min(count, replica.block_tokens)):
        filled = replica.phase_count[(replica.tick + place) % replica.block_tokens]
        if filled > 0:
            times = float64(_fillings(replica, place, count))
            pairs = 0.5 * times * (times - 1.0)
            sums = times * place + size * pairs
            squares = (
                times * place * place + 2.0 * place * size * pairs + size * size * pairs * (2.0 * times - 1.0) / 3.0
            )
            held += filled * (times * whole_s - first_s * sums - 0.5 * slope_s * (squares - sums))
    return held


@njit(cache=True)
def take_steps(replica: Any, cache: Any, record: Any, row: Any, count: int) -> None:
    """Decode `count` steps, as `steps_at_once` allows them; `row` is that of the energies."""
    batch, step = replica.decode_count, replica.tick - replica.line_tick
    first_s, last_s = line_length_s(replica, float64(step)), line_length_s(replica, float64(step + count - 1))
    start_s, end_s = replica.now_s, line_end_s(replica, float64(step + count))
    held = held_block_s(replica, count, first_s)
    used = (replica.kv_blocks - replica.free_blocks) * (end_s - start_s)
    take_blocks(replica, cache, blocks_needed(replica, count))
    mean = mean_kv(replica)
    above_j = in_row(record, ENERGY_PURE, row, mean) + in_row(record, ENERGY_PURE, row, mean + (count - 1))
    energy_j = min(0.5 * count * above_j, record.most_w * (end_s - start_s)) + record.idle_w * (end_s - start_s)
    _count_lengths(replica, step, count, first_s, last_s)
    replica.steps += count
    replica.busy_s += end_s - start_s
    replica.energy_j += energy_j
    at = int(start_s / replica.series_width_s)
    replica.busy[at] += end_s - start_s
    replica.energy[at] += energy_j
    replica.decoded[at] += batch * count
    replica.running_s[at] += (batch + replica.prefill_count) * (end_s - start_s)
    replica.waiting_s[at] += replica.queue_count * (end_s - start_s)
    replica.kv_block_s[at] += used + held
    replica.series_end_s = end_s
    replica.step_start_s, replica.step_end_s = line_end_s(replica, float64(step + count - 1)), end_s
    replica.step_tokens = batch
    replica.length_s = last_s
    replica.now_s, replica.last_decode_s = end_s, end_s
    replica.tick += count
    replica.decode_kv_tokens += batch * count
    replica.decode_tokens += batch * count


@njit(cache=True)
def _count_lengths(replica: Any, step: int, count: int, first_s: float, last_s: float) -> None:
    """Gaps between tokens, each the length of its step, into their bins: lengths rise or fall along the line."""
    batch, at, last = replica.decode_count, int64(0), itl_place(last_s)
    place = itl_place(first_s)
    while place != last:
        inside, beyond = at, count - 1
        while beyond - inside > 1:
            middle = (inside + beyond) // 2
            if itl_place(line_length_s(replica, float64(step + middle))) == place:
                inside = middle
            else:
                beyond = middle
        add_itl(replica, place, (beyond - at) * batch)
        at = beyond
        place = itl_place(line_length_s(replica, float64(step + at)))
    add_itl(replica, place, (count - at) * batch)
