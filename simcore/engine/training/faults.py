"""Goodput of a long run that fails: a closed form and a compiled month-by-month run of the same rules.

Failures come at a rate lambda = sum of counts over mean times between failures. The run saves after every `interval_s`
of work; a save stops it for `stop_s` and can be recovered from `lag_s` later. A failure throws away what was done since
the last such save, and the run works again `down_s` later; more failures may come while it is down. A share `far_ratio`
of failures loses the near copies too and falls back to the last of every `slow_every` saves. Each failure takes a node;
with no spare left the run waits for the first repair.

    goodput = tau / (e^(lambda (tau + delta)) - 1) / (e^(lambda R) / lambda + wait)      without the wait Daly (2006)
              / (1 + lambda (lag + far (slow - 1)/2 (tau + delta)))                      first order

R is the time down. Wrong where lambda x (lag + slow x tau) is not small against 1, and by some percent where one or two
spares are often all in repair: then the run of events counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simcore.cost.jit import njit_with_memory as njit
from simcore.ops.op import Array

MONTH_S = 30.0 * 86400.0


@dataclass(frozen=True)
class Faults:
    """Rates and seconds of a run."""

    rate_per_s: float
    interval_s: float
    """of work between two saves"""
    stop_s: float
    lag_s: float = 0.0
    down_s: float = 600.0
    far_ratio: float = 0.0
    slow_every: int = 1
    spares: int = 0
    repair_s: float = 0.0

    @property
    def cycle_s(self) -> float:
        """Seconds between two saves without a failure."""
        return self.interval_s + self.stop_s

    @property
    def wait_s(self) -> float:
        """Mean wait of a failure for a node; nodes in repair are Poisson at the failures of a run that waits."""
        if not self.repair_s:
            return 0.0
        if not self.spares:
            return self.repair_s
        wait = 0.0
        for _ in range(40):
            rate = 1.0 / (1.0 / self.rate_per_s + self.down_s + wait)
            mean, below, term = rate * self.repair_s, 0.0, np.exp(-rate * self.repair_s)
            for count in range(self.spares):
                below += term
                term *= mean / (count + 1)
            wait = 0.5 * wait + 0.5 * max(0.0, 1.0 - below) * self.repair_s / (self.spares + 1)
        return float(wait)

    @property
    def goodput_ratio(self) -> float:
        """Share of the time that advances the run, closed form."""
        rate, cycle = self.rate_per_s, self.cycle_s
        if rate <= 0.0:
            return self.interval_s / cycle
        saved = self.interval_s / np.expm1(rate * cycle)
        between = np.exp(rate * self.down_s) / rate + self.wait_s
        beyond = self.lag_s + self.far_ratio * 0.5 * (self.slow_every - 1.0) * cycle
        return float(saved / between / (1.0 + rate * beyond))


def best_interval(faults: Faults) -> Faults:
    """The interval with the best goodput, by golden section from a save's own time to ten times between failures."""
    if faults.rate_per_s <= 0.0:
        return replace(faults, interval_s=MONTH_S)
    low, high = np.log(max(faults.stop_s, faults.lag_s, 1.0)), np.log(max(10.0 / faults.rate_per_s, 10.0))
    ratio = 0.5 * (np.sqrt(5.0) - 1.0)

    def value(x: float) -> float:
        return replace(faults, interval_s=float(np.exp(x))).goodput_ratio

    for _ in range(60):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        if value(a) > value(b):
            high = b
        else:
            low = a
    return replace(faults, interval_s=float(np.exp(0.5 * (low + high))))


def months(faults: Faults, count: int, seed: int = 0) -> Array:
    """Goodput of each of `count` months, run event by event, [count]."""
    arguments = (faults.rate_per_s, faults.interval_s, faults.stop_s, faults.lag_s, faults.down_s)
    return np.asarray(
        _months(count, seed, *arguments, faults.far_ratio, faults.slow_every, faults.spares, faults.repair_s)
    )


@njit(cache=True)
def _months(count, seed, rate, interval, stop, lag, down, far, slow, spares, repair):  # type: ignore[no-untyped-def]
    """Saves of the run as numbers; `done` is the last that can be recovered from, `begun` when work went on from it."""
    np.random.seed(seed)
    found = np.zeros(count)
    cycle = interval + stop
    for month in range(count):
        back = np.full(max(spares, 1), -1.0)
        now, saved, begun = 0.0, 0, 0.0
        while now < MONTH_S:
            fails = now + np.random.exponential(1.0 / rate) if rate > 0.0 else MONTH_S
            end = min(fails, MONTH_S)
            worked = max(end - begun, 0.0)
            if fails >= MONTH_S:
                whole = np.floor(worked / cycle)
                found[month] = (saved * interval + whole * interval + min(worked - whole * cycle, interval)) / MONTH_S
                break
            whole = int(worked // cycle)
            if whole > 0 and worked - whole * cycle < lag:
                whole -= 1
            saved += whole
            if np.random.random() < far:
                saved -= saved % slow
            first = 0
            for node in range(len(back)):
                if back[node] < back[first]:
                    first = node
            ready = fails + repair if spares == 0 else max(fails, back[first])
            back[first] = fails + repair
            begun = ready + down
            now = fails
            while True:
                again = now + np.random.exponential(1.0 / rate)
                if again >= begun:
                    break
                now = again
                begun = max(begun, again + down)
            now = begun
        if now >= MONTH_S and found[month] == 0.0:
            found[month] = saved * interval / MONTH_S
    return found
