"""Power policies: which clock a replica's steps run at; one file each, `choose(view, limits) -> Levels`.

Clocks are levels of a ladder, 0 the top clock. Steps with a prefill chunk and steps of decodes alone have a level each.
`polca` also holds the controller of a whole row of servers, which `simcore.engine.power_control` runs over days.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

from simcore.errors import InputError
from simcore.registry import GROUPS, PluginRegistry


class Levels(NamedTuple):
    """Places in the ladder of clocks."""

    mixed: int
    """of steps with a prefill chunk"""
    pure: int
    """of steps of decodes alone"""


@dataclass(frozen=True)
class PowerLimits:
    """What a power policy works towards; which of it matters is the policy's choice."""

    clock_ratios: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7)
    """the ladder, from the top clock down"""
    prefill_level: int = 0
    decode_level: int = 0
    cap_w: float = float("inf")
    """of one replica, all its chips"""
    ttft_s: float = float("inf")
    tpot_s: float = float("inf")
    high_ratio: float = 0.9
    """faster above this share of a bound"""
    low_ratio: float = 0.7
    """slower below this share"""

    def __post_init__(self) -> None:
        ladder = self.clock_ratios
        if not ladder or ladder[0] != 1.0 or any(b >= a or b <= 0 for a, b in itertools.pairwise(ladder)):
            raise InputError(f"clock_ratios {ladder} must fall from 1.0", key="power.clock_ratios")
        for name in ("prefill_level", "decode_level"):
            if not 0 <= getattr(self, name) < len(ladder):
                raise InputError(
                    f"{name} is no place in clock_ratios", key=f"power.{name}", fix=f"0 to {len(ladder) - 1}"
                )
        if not 0 < self.low_ratio < self.high_ratio:
            raise InputError("low_ratio must lie below high_ratio", key="power.low_ratio")

    @property
    def last(self) -> int:
        """The lowest clock's level."""
        return len(self.clock_ratios) - 1


@dataclass(frozen=True)
class PowerView:
    """What a power policy sees of one replica at the end of an interval."""

    levels: Levels
    """in force"""
    power_w: float
    """mean over the interval, idle time included"""
    gap_s: float
    """mean time of the interval's steps that decoded, chunks beside them or not; 0 if there was none"""
    queue_s: float
    """how long the first request of the queue has waited"""


power_policies = PluginRegistry("power policy", "simcore.policy.power", "choose", GROUPS["power policy"])


def bounded(limits: PowerLimits, mixed: int, pure: int) -> Levels:
    """Levels kept inside the ladder."""
    return Levels(min(max(mixed, 0), limits.last), min(max(pure, 0), limits.last))
