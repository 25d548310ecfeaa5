"""POLCA: clock caps by thresholds on power, with hysteresis, low priority first, and a brake above the budget.

Above `low_threshold` of the budget the clock of low-priority servers is lowered; above `high_threshold` further, and
that of high-priority ones too; above the budget everything brakes. A step is taken back when power falls `hysteresis`
below its threshold. The scheme and its defaults follow Patel et al. (POLCA, ASPLOS 2024). `PowerControl` is the
controller of a row; `choose` applies its thresholds to one replica under a cap, decode steps as low and prompts as high
priority.
"""

from __future__ import annotations

from dataclasses import dataclass

from simcore.policy.power import Levels, PowerLimits, PowerView, bounded


@dataclass(frozen=True)
class PowerControl:
    """Thresholds as shares of the budget, clocks as shares of the top clock, times in seconds."""

    low_threshold: float = 0.80
    high_threshold: float = 0.89
    hysteresis: float = 0.05
    low_clock: float = 1275 / 1410
    low_clock_further: float = 1110 / 1410
    high_clock: float = 1305 / 1410
    brake_clock: float = 288 / 1410
    telemetry_s: float = 2.0
    cap_latency_s: float = 40.0
    brake_latency_s: float = 5.0
    trip_s: float = 10.0

    def clocks(self, level: int, high_priority: bool) -> float:
        """Clock of a class at a control level: 0 free, 1 first threshold, 2 second, 3 brake."""
        if level == 3:
            return self.brake_clock
        if high_priority:
            return self.high_clock if level == 2 else 1.0
        return (1.0, self.low_clock, self.low_clock_further)[level]

    def target(self, level: int, share: float) -> int:
        """The level wanted at a share of the budget, from the one wanted so far: up at once, down one at a time."""
        rise = (self.low_threshold, self.high_threshold, 1.0)
        target = level
        while target < 3 and share > rise[target]:
            target += 1
        if target > 0 and target == level and share < rise[target - 1] - self.hysteresis:
            target -= 1
        return target


def choose(view: PowerView, limits: PowerLimits) -> Levels:
    """Control level 1 lowers decode steps by a place, 2 by two and prompts by one, the brake everything to the last."""
    level = 3 if view.levels.mixed == limits.last else min(view.levels.pure, 2)
    wanted = PowerControl().target(level, view.power_w / limits.cap_w)
    if wanted == 3:
        return Levels(limits.last, limits.last)
    return bounded(limits, int(wanted == 2), wanted)
