"""What a tile costs in banks that multiply: one row in every bank of a channel, from the timing of the DRAM.

A tile closes the rows of the tile before it, opens its own by groups of banks, multiplies column by column and reads
the sums out. With R ranks of G groups, B banks in all, n columns per head and macro = column (n + 1):

    activate           (G - 1) tFAW + (R - 1) tCK + tRCD          the groups of a rank wait for the activation window
    two row buffers    tRTP + max(B tCK, tRP) + tCK + activate    precharges go out one per cycle; the last macro runs
                       (+ (heads per row - 1) macro for scores)   while the next tile closes rows
    one row buffer     max(B tRTP, tRP) + tCK + activate + all columns     bank after bank is read out and closed

Refresh comes once per tREFI / R and stops all ranks, which a tile needs together. A controller does not begin a tile
that would not end before it, by its own estimate, all banks closed in turn: E = B tRTP + activate + heads macro. So

    available = 1 - (tRFC + max(B / R tCK, tRP) + tRP + E - tile / 2) / (tREFI / R)

Source: timings and rules as in NeuPIMs (ASPLOS 2024) and its public simulator (NewtonSim: `timing.cc`, the estimate of
`channel_state.cc`); that banks of a single row buffer close at tRTP each is a reading of that estimate. Against its
runs the time of attention comes out up to 5 % low. Wrong where traffic of the host competes for the banks.
"""

from __future__ import annotations

from simcore.kept.lazy import dataclass
from simcore.spec.hardware import ComputeUnit, PimTiming

LANE_BYTES = 32.0
"""of a row that a bank multiplies per column access"""


@dataclass(frozen=True)
class Tiles:
    """Seconds in one channel, refresh not yet counted."""

    score_s: float
    """one row of keys in every bank"""
    value_s: float
    """one row of values in every bank"""
    load_s: float
    """of a vector operand: a single row buffer first closes a row and opens another, a second one takes it while a tile
    runs"""
    available_ratio: float
    """of the time, between refreshes"""


def tiles_of(unit: ComputeUnit, timing: PimTiming, head_bytes: float = 256.0) -> Tiles:
    """Of a unit whose rows hold heads of `head_bytes` (128 elements of 2 bytes)."""
    row_bytes = (unit.tile_bytes or 0.0) / timing.banks
    heads = max(row_bytes / head_bytes, 1.0)
    macro_s = timing.column_s * (min(head_bytes, row_bytes) / LANE_BYTES + 1.0)
    activate_s = (timing.bank_groups - 1) * timing.four_activates_s + (timing.ranks - 1) * timing.command_s
    activate_s += timing.activate_to_read_s
    estimate_s = timing.banks * timing.read_to_precharge_s + activate_s + heads * macro_s
    if timing.row_buffers == 2:
        close_s = timing.read_to_precharge_s + max(timing.banks * timing.command_s, timing.precharge_s)
        value_s = close_s + timing.command_s + activate_s
        score_s = value_s + (heads - 1.0) * macro_s
        load_s = max(unit.operand_load_s - value_s, 0.0)
    else:
        close_s = max(timing.banks * timing.read_to_precharge_s, timing.precharge_s)
        score_s = close_s + timing.command_s + activate_s + heads * macro_s
        value_s = close_s + timing.command_s + activate_s + timing.column_s * (row_bytes / LANE_BYTES + 1.0)
        load_s = unit.operand_load_s + timing.read_to_precharge_s + timing.precharge_s + timing.activate_to_read_s
    available = _available(timing, estimate_s, (score_s + value_s) / 2.0)
    return Tiles(score_s, value_s, load_s, available)


def _available(timing: PimTiming, estimate_s: float, tile_s: float) -> float:
    """Share of the time between refreshes in which tiles run."""
    between_s = timing.refresh_interval_s / timing.ranks
    close_s = max(timing.banks / timing.ranks * timing.command_s, timing.precharge_s) + timing.precharge_s
    lost_s = timing.refresh_s + close_s + max(estimate_s - tile_s / 2.0, 0.0)
    return max(1.0 - lost_s / between_s, 0.05)
