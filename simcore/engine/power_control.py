"""A row of servers under a breaker: telemetry, clock caps by priority, a power brake; on SimPy, over days.

Every `telemetry_s` the policy reads the row's power of one interval ago and may command another level. Clock commands
take `cap_latency_s` (out-of-band control), the brake `brake_latency_s`. The breaker trips when power stays above the
budget for longer than `trip_s`. The policy is a value of its own, `simcore.policy.power.polca` the one there is.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.policy.power.polca import PowerControl

__all__ = ["ControlledClass", "PowerControl", "PowerTrace", "run_row"]
Floats = NDArray[np.float64]


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
        target = self.control.target(self.wanted, share)
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
