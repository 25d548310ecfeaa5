"""A row of servers under a breaker: telemetry, clock caps by priority, a power brake; on SimPy, over days.

Every `telemetry_s` the controller reads the row's power of one interval ago. Above `low_threshold` of the budget it
lowers the clock of low-priority servers; above `high_threshold` further, and that of high-priority ones too; above the
budget it brakes everything. A step is taken back when power falls `hysteresis` below its threshold. Clock commands take
`cap_latency_s` (out-of-band control), the brake `brake_latency_s`. The breaker trips when power stays above the budget
for longer than `trip_s`. The scheme and its defaults follow POLCA (ASPLOS 2024).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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


@dataclass(frozen=True)
class ControlledClass:
    """Servers of one class; arrays over telemetry ticks for each control level."""

    name: str
    high_priority: bool
    power_w: Floats
    """[levels, ticks], of all its servers"""
    slowdown: Floats
    """[levels]"""


@dataclass
class PowerTrace:
    """What happened, per tick; power in watts."""

    tick_s: float
    budget_w: float
    power_w: Floats
    level: NDArray[np.int8]
    brakes: int = 0
    events: list[tuple[float, int]] = field(default_factory=list)
    """(seconds, level that took effect)"""

    @property
    def energy_j(self) -> float:
        """Integral of power."""
        return float(self.power_w.sum() * self.tick_s)

    @property
    def longest_over_s(self) -> float:
        """Longest unbroken time above the budget."""
        over = np.flatnonzero(np.diff(np.concatenate([[0], (self.power_w > self.budget_w).astype(int), [0]])))
        return float((over[1::2] - over[::2]).max(initial=0) * self.tick_s)

    def slowdown(self, kind: ControlledClass, quantile: float) -> float:
        """Quantile over time of a class's slowdown."""
        return float(np.quantile(kind.slowdown[self.level], quantile))


def run_row(classes: Sequence[ControlledClass], budget_w: float, control: PowerControl) -> PowerTrace:
    """Simulate a row for as many ticks as the classes hold."""
    import simpy

    ticks = classes[0].power_w.shape[1]
    total = np.sum([kind.power_w for kind in classes], axis=0)
    trace = PowerTrace(control.telemetry_s, budget_w, np.zeros(ticks), np.zeros(ticks, np.int8))
    environment = simpy.Environment()
    controller = _Controller(environment, control, budget_w, trace)
    environment.process(controller.watch(total))
    environment.run()
    return trace


@dataclass
class _Controller:
    """Commands in flight and the level in force."""

    environment: Any
    control: PowerControl
    budget_w: float
    trace: PowerTrace
    level: int = 0
    wanted: int = 0
    generation: int = 0

    def watch(self, total_w: Floats) -> Generator[Any, Any, None]:
        """One step per tick: draw power at the level in force, then act on the reading before it."""
        reading = 0.0
        for tick in range(total_w.shape[1]):
            drawn = float(total_w[self.level, tick])
            self.trace.power_w[tick] = drawn
            self.trace.level[tick] = self.level
            self.decide(reading / self.budget_w)
            reading = drawn
            yield self.environment.timeout(self.control.telemetry_s)

    def decide(self, share: float) -> None:
        """Compare a reading with the thresholds and command a level if it differs from the one wanted."""
        control = self.control
        rise = (control.low_threshold, control.high_threshold, 1.0)
        target = self.wanted
        while target < 3 and share > rise[target]:
            target += 1
        while target > 0 and target == self.wanted and share < rise[target - 1] - control.hysteresis:
            target -= 1
            break
        if target != self.wanted:
            self.wanted = target
            self.generation += 1
            self.environment.process(self.apply(target, self.generation))

    def apply(self, target: int, generation: int) -> Generator[Any, Any, None]:
        """Take effect after the latency, unless a newer command has been given; a brake is never cancelled."""
        brake = target == 3
        yield self.environment.timeout(self.control.brake_latency_s if brake else self.control.cap_latency_s)
        if generation != self.generation and not brake:
            return
        self.level = target
        self.trace.brakes += brake
        self.trace.events.append((float(self.environment.now), target))
