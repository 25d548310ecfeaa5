"""Clocks of a fleet's replicas under a power policy: views at every interval, levels that take effect later."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from simcore.engine.fleet_plan import Clocking
from simcore.policy.power import Levels, PowerView, power_policies
from simcore.policy.records import ITL_BINS, ITL_LOWEST_S, ITL_PER_OCTAVE, NONE

Process = Generator[Any, Any, None]


def bin_middles_s() -> Any:
    """Middles of the bins in which gaps between tokens are counted, [bins]."""
    place = np.arange(ITL_BINS + 1)
    edges = ITL_LOWEST_S * 2.0 ** (place // ITL_PER_OCTAVE) * (1.0 + (place % ITL_PER_OCTAVE) / ITL_PER_OCTAVE)
    return (edges[:-1] + edges[1:]) / 2.0


class Clocks:
    """One controller per replica, all asked at the same moments."""

    def __init__(self, fleet: Any, rule: Clocking) -> None:
        self.fleet, self.rule = fleet, rule
        count = len(fleet.records)
        self.levels = [Levels(0, 0)] * count
        self.choose = power_policies(rule.policy)
        self.middle_s = bin_middles_s()
        self.seen = [np.zeros(ITL_BINS, np.int64)] * count
        self.energy_j, self.busy_s = np.zeros(count), np.zeros(count)

    def run(self) -> Process:
        """While there is work."""
        fleet, rule = self.fleet, self.rule
        for at in range(len(fleet.records)):
            self.command(at, self.choose(PowerView(self.levels[at], 0.0, 0.0, 0.0), rule.limits), 0.0)
        while True:
            yield fleet.env.timeout(rule.interval_s)
            fleet.look()
            if not fleet.waiting():
                return
            for at in range(len(fleet.records)):
                wanted = self.choose(self.view(at), rule.limits)
                if wanted != self.levels[at]:
                    self.command(at, wanted, rule.latency_s)

    def view(self, at: int) -> PowerView:
        """What the last interval was like."""
        record = self.fleet.records[at]
        spent_j = float(record["energy_j"]) - self.energy_j[at]
        busy_s = float(record["busy_s"]) - self.busy_s[at]
        gaps = record["itl_count"] - self.seen[at]
        self.energy_j[at], self.busy_s[at] = record["energy_j"], record["busy_s"]
        self.seen[at] = record["itl_count"].copy()
        idle_w = self.fleet.pools[self.fleet.pool_of[at]].step_times.idle_w
        power_w = (spent_j + idle_w * max(0.0, self.rule.interval_s - busy_s)) / max(self.rule.interval_s, busy_s)
        head = int(record["queue_head"])
        queue_s = 0.0 if head == NONE else float(self.fleet.env.now) - float(self.fleet.requests[head]["ready_s"])
        gap_s = float((gaps * self.middle_s).sum() / max(1, gaps.sum()))
        return PowerView(self.levels[at], power_w, gap_s, queue_s)

    def command(self, at: int, levels: Levels, latency_s: float) -> None:
        """Set the levels of a replica, now or later; a newer command in between does not cancel an older one."""
        self.levels[at] = levels
        if latency_s > 0.0:
            self.fleet.env.process(self.later(at, levels, latency_s))
        else:
            self.apply(at, levels)

    def later(self, at: int, levels: Levels, latency_s: float) -> Process:
        """Out-of-band control takes its time."""
        yield self.fleet.env.timeout(latency_s)
        self.fleet.look()
        self.apply(at, levels)

    def apply(self, at: int, levels: Levels) -> None:
        """Steps that start from now on run at these clocks."""
        record, ladder = self.fleet.records[at], self.rule.limits.clock_ratios
        if (record["clock_mixed"], record["clock_pure"]) == levels:
            return
        record["clock_mixed"], record["clock_pure"] = levels
        now_s = float(self.fleet.env.now)
        self.fleet.clocks.append((now_s, at, ladder[levels.mixed], ladder[levels.pure]))
