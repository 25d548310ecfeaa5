"""The records of a fleet about to serve, and its run when it has served."""

from __future__ import annotations

import numpy as np

from simcore.engine.caches import lay_out
from simcore.engine.decode_room import DecodeRoom
from simcore.engine.fleet_plan import FleetPlan, Pool, check_plan
from simcore.engine.serving import PowerLog, ServingRun, dense_hashes, rank_requests, request_records
from simcore.engine.step_log import new_log, written
from simcore.policy.records import LOST, WAITING, new_replicas
from simcore.spec.traffic import Slo, Trace


class FleetRecords:
    """Replicas of all pools in one array, decode pools last, with everything that the compiled loops read."""

    def __init__(self, plan: FleetPlan, trace: Trace, slos: tuple[Slo, ...] = (), log_steps: int = 0) -> None:
        from simcore.step.packed import pack

        self.plan, self.trace = plan, trace
        check_plan(plan)
        self.order = sorted(range(len(plan.pools)), key=lambda number: plan.pools[number].role == "decode")
        self.pools = [plan.pools[number] for number in self.order]
        self.requests = request_records(trace)
        rank_requests(self.requests, self.pools[0].settings, slos)
        self.records = new_replicas(sum(pool.engines for pool in self.pools))
        self.hashes, self.entries = dense_hashes(trace, any(p.settings.hash_tokens for p in self.pools))
        self.times = np.concatenate([pack(times) for pool in self.pools for times in pool.all_times])
        self.first_times = np.cumsum([0, *(len(pool.all_times) for pool in self.pools)])
        self.log = new_log(self.records, log_steps)
        self.decode_room = DecodeRoom(self.pools, self.requests)
        self.start = np.cumsum([0, *(pool.engines for pool in self.pools)])
        self.entry_count = int(sum(pool.engines for pool in self.pools if pool.role != "decode"))
        self.pool_of = np.repeat(np.arange(len(self.pools)), [pool.engines for pool in self.pools])
        for number, pool in enumerate(self.pools):
            self._fill(number, pool)
        self.caches = lay_out(self.records, self.entries, [self._pool(at).settings for at in range(len(self.records))])

    def _fill(self, number: int, pool: Pool) -> None:
        for place in range(pool.engines):
            at = int(self.start[number]) + place
            self.records[at]["stages"] = len(pool.stage_shares)
            self.records[at]["stage_share"][: len(pool.stage_shares)] = pool.stage_shares
            self.records[at]["leader"] = at - place % pool.microbatches
            self.records[at]["ranks"], self.records[at]["rank"] = pool.ranks, place % pool.ranks
            self.records[at]["shared_times"] = int(self.first_times[number + 1]) - 1
            self.records[at]["padded_tokens"] = pool.padded_tokens
            pool.settings.fill(self.records[at], step_times=int(self.first_times[number]), seed=at)
            serves = pool.started is None or place < pool.started
            self.records[at]["up"] = int(serves)

    def _pool(self, at: int) -> Pool:
        return self.pools[int(self.pool_of[at])]

    def result(self, switches: tuple[tuple[float, int, str], ...] = (), power: PowerLog | None = None) -> ServingRun:
        """The run; requests that nobody was up to serve are lost."""
        self.requests["state"][(self.requests["state"] == WAITING) & (self.requests["done_s"] < 0)] = LOST
        names = tuple(tuple(tier.name for tier in self._pool(at).settings.tiers) for at in range(len(self.records)))
        return ServingRun(
            self.trace,
            self.requests,
            self.records,
            written(self.log, self.records),
            switches,
            names,
            power,
            np.array(self.order)[self.pool_of],
        )
