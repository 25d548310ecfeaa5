"""A planned row over days of diurnal traffic with a real controller, and how many servers that controller allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planners.power.curves import ServerCurve
from planners.power.problem import PowerProblem, RowPlan, Work
from planners.power.scenarios import own_spread
from simcore.engine.power_control import ControlledClass, PowerControl, PowerTrace, run_row

Floats = NDArray[np.float64]
DAY_S = 86_400.0
SLOWDOWN_LIMITS = {"high": (0.01, 0.05), "low": (0.05, 0.50)}
"""P50 and P99 of the slowdown tolerated by priority (POLCA's service levels)"""


@dataclass(frozen=True)
class Replayed:
    """A row's days under control."""

    trace: PowerTrace
    classes: tuple[ControlledClass, ...]
    control: PowerControl

    def metrics(self) -> dict[str, float]:
        """Share of the time that it is capped, power, energy, brakes, slowdown by class."""
        power = self.trace.power_w / self.trace.budget_w
        found = {
            "capped_share": float((self.trace.level > 0).mean()),
            "peak_power_ratio": float(power.max()),
            "mean_power_ratio": float(power.mean()),
            "seconds_over_budget": float((power > 1).sum() * self.trace.tick_s),
            "longest_over_s": self.trace.longest_over_s,
            "brakes": float(self.trace.brakes),
            "energy_kwh": self.trace.energy_j / 3.6e6,
        }
        for kind in self.classes:
            found[f"slowdown_p50_{kind.name}"] = self.trace.slowdown(kind, 0.5)
            found[f"slowdown_p99_{kind.name}"] = self.trace.slowdown(kind, 0.99)
        return found

    @property
    def tripped(self) -> bool:
        """Power stayed above the budget for longer than the breaker allows."""
        return self.trace.longest_over_s > self.control.trip_s

    @property
    def acceptable(self) -> bool:
        """No trip, no brake, slowdowns within the service levels."""
        found = self.metrics()
        limits = [(kind.name, SLOWDOWN_LIMITS["high" if kind.high_priority else "low"]) for kind in self.classes]
        within = all(
            found[f"slowdown_p50_{name}"] <= p50 and found[f"slowdown_p99_{name}"] <= p99 for name, (p50, p99) in limits
        )
        return within and not self.tripped and self.trace.brakes == 0


def diurnal(problem: PowerProblem, days: float, tick_s: float, seed: int) -> Floats:
    """Share of busy time, [ticks, classes]: a daily wave whose crest is the stated utilisation, fluctuations that live
    for a minute, and for training a lull of a third of the power in every fifth step of twenty seconds."""
    random = np.random.default_rng(seed)
    ticks = int(days * DAY_S / tick_s)
    time_s = np.arange(ticks) * tick_s
    wave = 0.75 + 0.25 * np.sin(2 * np.pi * (time_s / DAY_S - 0.25))
    mean = np.array([k.utilisation for k in problem.classes])
    swing = np.array([k.swing for k in problem.classes])
    noise = _fluctuation(random, ticks, len(mean), np.exp(-tick_s / 60.0), problem)
    busy = np.asarray(np.clip(mean * wave[:, None] + swing * noise, 0.0, 1.0))
    lull = (time_s % 20.0) < 4.0
    for index, kind in enumerate(problem.classes):
        if kind.work == "training":
            busy[:, index] = np.where(lull, kind.utilisation / 3.0, kind.utilisation)
    return busy


def _fluctuation(random: np.random.Generator, ticks: int, classes: int, keep: float, problem: PowerProblem) -> Floats:
    """Autoregressive standard noise, [ticks, classes], with a common part."""
    from scipy.signal import lfilter

    raw = random.standard_normal((ticks, classes + 1)) * np.sqrt(1.0 - keep**2)
    smooth = np.asarray(lfilter([1.0], [1.0, -keep], raw, axis=0))
    return np.asarray(np.sqrt(problem.common_load) * smooth[:, :1] + own_spread(problem) * smooth[:, 1:])


def replay(
    problem: PowerProblem,
    curves: Mapping[Work, ServerCurve],
    row: RowPlan,
    control: PowerControl,
    *,
    days: float = 2.0,
    seed: int = 0,
) -> Replayed:
    """Run a row plan; the planned clock is the top clock of each class."""
    busy = diurnal(problem, days, control.telemetry_s, seed)
    classes = []
    for index, kind in enumerate(problem.classes):
        curve, top = curves[kind.work], row.clock_ratio[kind.name]
        clocks = [min(control.clocks(level, kind.priority == "high"), top) for level in range(4)]
        power = np.stack([row.servers[kind.name] * curve.power_w(f, busy[:, index]) for f in clocks])
        slowdown = np.array([curve.slowdown(f) for f in clocks])
        classes.append(ControlledClass(kind.name, kind.priority == "high", power, slowdown))
    return Replayed(run_row(classes, problem.budget_w, control), tuple(classes), control)


def most_servers(
    problem: PowerProblem,
    curves: Mapping[Work, ServerCurve],
    control: PowerControl,
    *,
    days: float = 1.0,
    seed: int = 0,
) -> tuple[RowPlan, Replayed]:
    """The largest row in the problem's mix, all at the top clock, that the controller keeps acceptable (bisection)."""
    low, high = 1, problem.most_servers
    best = _row(problem, low)
    found = replay(problem, curves, best, control, days=days, seed=seed)
    while low < high:
        middle = (low + high + 1) // 2
        row = _row(problem, middle)
        tried = replay(problem, curves, row, control, days=days, seed=seed)
        if tried.acceptable:
            low, best, found = middle, row, tried
        else:
            high = middle - 1
    return best, found


def _row(problem: PowerProblem, total: int) -> RowPlan:
    """`total` servers in the stated mix, largest remainders first."""
    exact = np.array([k.share * total for k in problem.classes])
    counts = np.floor(exact).astype(int)
    for index in np.argsort(-(exact - counts), kind="stable")[: total - counts.sum()]:
        counts[index] += 1
    names = [k.name for k in problem.classes]
    servers = dict(zip(names, counts.tolist(), strict=True))
    return RowPlan(servers, dict.fromkeys(names, 1.0), problem.nameplate_servers)
