"""Replicas that change between prefill and decode while a fleet serves."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from simcore.engine.fleet_plan import Roles
from simcore.policy.roles import RoleLoad, role_policies

Process = Generator[Any, Any, None]


class Switching:
    """Asks the policy at every interval, drains the chosen replica, brings it back in its new role."""

    def __init__(self, fleet: Any, rule: Roles | None) -> None:
        self.fleet, self.rule = fleet, rule
        self.drains: dict[int, Any] = {}

    def run(self) -> Process:
        """One switch at a time, at least `hold_s` apart."""
        fleet, rule = self.fleet, self.rule
        assert rule is not None
        choose = role_policies(rule.policy)
        last_s = -np.inf
        while True:
            yield fleet.env.timeout(rule.interval_s)
            if not fleet.waiting():
                return
            if fleet.env.now - last_s < rule.hold_s:
                continue
            fleet.look()
            gain = choose(self.load(), rule.limits)
            giver = None if gain is None else self.giver("decode" if gain == "prefill" else "prefill", rule.least)
            if giver is not None:
                yield from self.switch(giver, gain, rule.switch_s)
                last_s = float(fleet.env.now)

    def serving(self, role: str) -> list[int]:
        """Replicas that take requests in this role."""
        up = self.fleet.records["up"] == 1
        return [int(at) for at in np.flatnonzero(up) if self.fleet.pools[self.fleet.pool_of[at]].role == role]

    def load(self) -> RoleLoad:
        """What the policy sees now."""
        prefill, decode = (self.fleet.records[self.serving(role)] for role in ("prefill", "decode"))
        queued = decode["queue_tokens"] / decode["block_tokens"] * decode["block_pages"]
        blocks = decode["kv_blocks"] - decode["free_blocks"] + queued
        sequences = decode["decode_count"] + decode["prefill_count"] + decode["queue_count"]
        kv = blocks.sum() / max(1, decode["kv_blocks"].sum())
        slots = sequences.sum() / max(1, decode["max_running"].sum())
        return RoleLoad(len(prefill), len(decode), float(prefill["queue_tokens"].sum()), float(max(kv, slots)))

    def giver(self, role: str, least: int) -> int | None:
        """The replica of a role with the least work, if the role can lose one."""
        serving = self.serving(role)
        if len(serving) <= least:
            return None
        work = self.fleet.records["outstanding_tokens"][serving]
        return int(serving[int(np.argmin(work))])

    def switch(self, at: int, role: Any, switch_s: float) -> Process:
        """Drain, wait, change; a replica that fails while it drains keeps its role."""
        fleet = self.fleet
        fleet.records[at]["up"] = 2
        if fleet.records[at]["outstanding"] > 0:
            self.drains[at] = fleet.env.event()
            yield self.drains[at]
        if fleet.records[at]["up"] != 2:
            return
        fleet.records[at]["up"] = 0
        yield fleet.env.timeout(switch_s)
        self.change(at, next(number for number, pool in enumerate(fleet.pools) if pool.role == role))
        fleet.switches.append((float(fleet.env.now), at, role))
        since_s = fleet.serving_since[at]
        fleet.begin(at)
        fleet.serving_since[at] = since_s

    def change(self, at: int, number: int) -> None:
        """The settings of the other pool; the prefix cache starts empty."""
        from simcore.engine.kernels import drain

        fleet, pool = self.fleet, self.fleet.pools[number]
        record = fleet.records[at]
        kept = {name: record[name].copy() for name in ("seed", "series_width_s")}
        drain(record, fleet.requests, fleet.hashes, fleet.caches, np.zeros(1, np.int64))
        pool.settings.fill(record, step_times=int(fleet.first_times[number]))
        for name, value in kept.items():
            record[name] = value
        fleet.pool_of[at] = number
        fleet.together.change(at, pool.settings.scheduler)

    def empty(self) -> None:
        """Wake the drains whose replica has nothing left, or has failed."""
        for at in list(self.drains):
            if self.fleet.records[at]["outstanding"] == 0:
                self.drains.pop(at).succeed()
