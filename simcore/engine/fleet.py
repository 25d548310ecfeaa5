"""Fleets that change while they serve: unequal pools, prefill/decode disaggregation, failures, autoscaling, feedback.

SimPy holds arrivals, routing, transfers, failures and scaling; replicas advance lazily to its clock when somebody looks
(prefill pools step by step, because their completions start transfers). Where completions cause arrivals or replicas
change roles, `simcore.engine.watch` drives all of them together. For equal replicas that never change and an open loop,
`simcore.engine.serving.serve` does the same without SimPy and an order of magnitude faster.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from simcore.engine.clocks import Clocks
from simcore.engine.feedback import Clients, Feedback, feedback_of
from simcore.engine.fleet_plan import Autoscale, Clocking, Failure, FleetPlan, Pool, Roles, Transfer
from simcore.engine.fleet_records import FleetRecords
from simcore.engine.serving import PowerLog, ServingRun, rerank
from simcore.engine.still_fleet import is_still, serve_still_fleet
from simcore.policy.records import NONE, REFUSED, WAITING
from simcore.spec.traffic import Slo, Trace

Process = Generator[Any, Any, None]


class Fleet(FleetRecords):
    """A running fleet; `run()` serves a trace and returns its records."""

    def __init__(
        self,
        plan: FleetPlan,
        trace: Trace,
        slos: tuple[Slo, ...] = (),
        feedback: Feedback | None = None,
        log_steps: int = 0,
    ) -> None:
        import simpy

        from simcore.engine.kernels import Composer
        from simcore.policy.router import routers
        from simcore.policy.scheduler import schedulers

        super().__init__(plan, trace, slos, log_steps)
        self.env = simpy.Environment()
        self.compose = [Composer(schedulers(pool.settings.scheduler)) for pool in self.pools]
        self.entry_route, self.decode_route = routers(plan.router), routers(plan.decode_router)
        self.held: list[int] = []
        self.wake: dict[int, Any] = {}
        self.serving_since = {int(at): 0.0 for at in np.flatnonzero(self.records["up"])}
        self.replica_s = 0.0
        channels = plan.transfer.channels if plan.transfer else 1
        self.link = simpy.Resource(self.env, capacity=channels)
        self.switches: list[tuple[float, int, str]] = []
        self.clocks: list[tuple[float, int, float, float]] = []
        self.moving = 0
        self.repaired_s: dict[int, float] = {}
        self.together: Any = None
        self.watch: Any = None
        tiers = [tier for pool in plan.pools for tier in pool.settings.tiers]
        parts = any(pool.stage_shares or pool.ranks > 1 for pool in plan.pools)
        if feedback is not None or plan.roles is not None or parts or any(tier.shared for tier in tiers):
            self._watched(feedback)

    def _watched(self, feedback: Feedback | None) -> None:
        from simcore.engine.roles import Switching
        from simcore.engine.together import Together
        from simcore.engine.watch import Watch

        self.together = Together([self.pools[number].settings.scheduler for number in self.pool_of])
        self.watch = Watch(self, feedback)
        self.switching = Switching(self, self.plan.roles)

    def run(self, processes: tuple[Callable[[Fleet], Process], ...] = ()) -> ServingRun:
        """Serve the whole trace. `processes` are further SimPy processes (controllers) given the fleet.

        Requests are lost only if, at the end, no replica is up to serve them.
        """
        if self.watch is None or self.watch.feedback is None:
            self.env.process(self._arrivals())
        for failure in self.plan.failures:
            self.env.process(self._fail(failure))
        if self.plan.autoscale:
            self.env.process(self._scale(self.plan.autoscale))
        for number, pool in enumerate(self.pools):
            if pool.role == "prefill" and self.watch is None:
                for at in range(int(self.start[number]), int(self.start[number + 1])):
                    self.env.process(self._prefill(at))
        if self.watch is not None:
            self.env.process(self.watch.run())
        if self.plan.roles is not None:
            self.env.process(self.switching.run())
        if self.plan.clocking is not None:
            self.env.process(Clocks(self, self.plan.clocking).run())
        for process in processes:
            self.env.process(process(self))
        self.env.run()
        self.look(np.inf)
        end_s = float(self.records["now_s"][np.isfinite(self.records["now_s"])].max(initial=0.0))
        self.replica_s += sum(max(0.0, end_s - since) for since in self.serving_since.values())
        return self.result(tuple(self.switches), self._power_log())

    def _power_log(self) -> PowerLog | None:
        if self.plan.clocking is None:
            return None
        return PowerLog(tuple(self.clocks), tuple(self._pool(at).step_times.idle_w for at in range(len(self.records))))

    # looking and routing

    def look(self, until_s: float | None = None) -> None:
        """Bring every replica up to now (or `until_s`)."""
        from simcore.engine.kernels import advance_all

        clock_s = float(self.env.now) if until_s is None else until_s
        if self.together is not None:
            self.together.look(self, clock_s)
            return
        for number in range(len(self.pools)):
            part = slice(int(self.start[number]), int(self.start[number + 1]))
            advance_all(
                self.records[part],
                self.requests,
                self.times,
                self.hashes,
                self.caches,
                self.compose[number],
                self.log,
                clock_s,
            )

    def send(self, number: int, decode: bool = False, now_s: float | None = None) -> None:
        """Route a request now, or hold it until a replica of its kind is up; `now_s` is the clock to the last bit."""
        from simcore.engine.kernels import submit_to

        clock_s = float(self.env.now) if now_s is None else now_s
        self.look(clock_s)
        at = self._choose(number, decode)
        if at == NONE:
            self.held.append(number)
            return
        request = self.requests[number]
        request["replica"] = at
        if self._pool(at).role == "prefill" and self.decode_room.refuses(number):
            request["state"], taken = REFUSED, False
        else:
            request["goal_tokens"] = 1 if self._pool(at).role == "prefill" else request["output_tokens"]
            taken = submit_to(self.records, at, self.requests, number, clock_s)
        if self.watch is not None:
            self.watch.poke()
            if not taken:
                self.watch.ended(number, clock_s)
        if at in self.wake and not self.wake[at].triggered:
            self.wake[at].succeed()

    def arrive(self, number: int, arrival_s: float) -> None:
        """A request of a closed loop is sent: it arrives now, and its deadline counts from here."""
        request = self.requests[number]
        later_s = arrival_s - float(request["arrival_s"])
        request["arrival_s"] = arrival_s
        request["deadline_s"] += later_s
        rerank(self.requests[number : number + 1], self.pools[0].settings)
        self.send(number, now_s=arrival_s)

    def _choose(self, number: int, decode: bool) -> int:
        """The replica that the router picks; NONE if none of the kind is up."""
        route = self.decode_route if decode else self.entry_route
        if self.plan.roles is not None or (decode and self.decode_room.differs):
            return self._choose_among(route, number, decode)
        first, last = (self.entry_count, len(self.records)) if decode else (0, self.entry_count)
        part = slice(first, last)
        if not (self.records["up"][part] == 1).any():
            return NONE
        return first + int(route(self.records[part], self.requests, number, self.hashes, self.caches))

    def _choose_among(self, route: Any, number: int, decode: bool) -> int:
        """As above where replicas change roles or some could never hold the request: those count as down."""
        up = self.records["up"].copy()
        role = "decode" if decode else "prefill"
        fits = np.array([pool.role == role for pool in self.pools])[self.pool_of] & (up == 1)
        if decode:
            fits &= self.decode_room.holds[self.pool_of, number]
        if not fits.any():
            return NONE
        self.records["up"] = fits
        at = int(route(self.records, self.requests, number, self.hashes, self.caches))
        self.records["up"] = up
        return at

    def drained(self) -> None:
        """Replicas that change roles and have just become empty go on."""
        self.switching.empty()

    # processes

    def _arrivals(self) -> Process:
        for number, arrival_s in enumerate(self.trace.arrival_s):
            if arrival_s > self.env.now:
                yield self.env.timeout(float(arrival_s) - self.env.now)
            self.send(number)

    def _prefill(self, at: int) -> Process:
        """Step by step: each completed prompt leaves for the decode pool."""
        while True:
            yield self.env.timeout(0.0)
            self.look(float(np.nextafter(self.env.now, np.inf)))
            self._collect(at)
            record = self.records[at]
            if record["pending"] == 1:
                yield self.env.timeout(max(0.0, float(record["step_end_s"]) - self.env.now))
                self.look()
                self._collect(at)
            else:
                self.wake[at] = self.env.event()
                later_s = float(record["wake_s"])  # a scheduler that waits for company, or a server that starts
                if record["queue_count"] > 0 and self.env.now < later_s < np.inf:
                    yield self.wake[at] | self.env.timeout(later_s - self.env.now)
                else:
                    yield self.wake[at]

    def _collect(self, at: int) -> None:
        number = int(self.records[at]["done_head"])
        self.records[at]["done_head"] = self.records[at]["done_tail"] = NONE
        while number != NONE:
            following = int(self.requests[number]["next"])
            if self.requests[number]["output_tokens"] > 1:
                self.env.process(self.hand_over(number))
            number = following

    def hand_over(self, number: int) -> Process:
        """Move a prompt's KV over the link, then decode."""
        transfer = self.plan.transfer
        assert transfer is not None
        request = self.requests[number]
        request["state"], request["done_s"] = WAITING, -1.0
        if self.plan.first_token == "decode" and request["first_token_s"] == request["last_token_s"]:
            request["first_token_s"] = -1.0  # made just now; one that a failed replica has sent stays sent
        tokens = int(request["input_tokens"]) + int(request["generated_tokens"]) - 1
        moved_bytes = tokens * transfer.bytes_per_token * (1.0 - transfer.overlap_ratio)
        self.moving += 1
        with self.link.request() as channel:
            yield channel
            yield self.env.timeout(transfer.latency_s + moved_bytes / transfer.bytes_per_s)
        self.moving -= 1
        request["computed_tokens"], request["swapped"] = tokens, 1
        self.send(number, decode=True)

    def _fail(self, failure: Failure) -> Process:
        from simcore.engine.kernels import drain

        yield self.env.timeout(failure.at_s)
        self.look()
        at, until_s = failure.replica, float(self.env.now) + failure.down_s
        if at in self.repaired_s:  # it is down: whichever repair takes longer
            self.repaired_s[at] = max(self.repaired_s[at], until_s)
            return
        was_up = int(self.records[at]["up"])
        if was_up == 0:
            return
        out = np.zeros(len(self.requests), np.int64)
        swap = int(self.records[at]["swap"])
        count = drain(self.records[at], self.requests, self.hashes, self.caches, out)
        self.records[at]["up"] = 0
        self.records[at]["swap"] = swap
        self._stop(at)
        for number in out[:count]:
            self.send(int(number))
        self.repaired_s[at] = until_s
        while self.env.now < self.repaired_s[at]:
            yield self.env.timeout(self.repaired_s[at] - self.env.now)
        del self.repaired_s[at]
        if was_up == 1 or self.plan.autoscale is None:  # a retired one was on its way out
            self.begin(at)

    def begin(self, at: int) -> None:
        """A replica starts serving now; what was held is routed."""
        self.records[at]["up"] = 1
        self.records[at]["now_s"] = max(float(self.records[at]["now_s"]), float(self.env.now))
        self.serving_since[at] = float(self.env.now)
        held, self.held = self.held, []
        for number in held:
            self.send(number, decode=bool(self.requests[number]["swapped"]))

    def _stop(self, at: int) -> None:
        self.replica_s += float(self.env.now) - self.serving_since.pop(at, float(self.env.now))

    def _scale(self, rule: Autoscale) -> Process:
        number = next(k for k, pool in enumerate(self.pools) if pool.name == rule.pool)
        part = range(int(self.start[number]), int(self.start[number + 1]))
        last_s = float(self.trace.arrival_s[-1])
        starting: set[int] = set()
        while self.env.now < last_s or (self.watch is not None and self.waiting()):
            yield self.env.timeout(rule.interval_s)
            self.look()
            serving = [at for at in part if self.records[at]["up"] == 1]
            idle = [at for at in part if self._is_spare(at, starting)]
            load = sum(int(self.records[at]["outstanding"]) for at in serving) / max(1, len(serving) + len(starting))
            if load > rule.high and idle:
                starting.add(idle[0])
                self.env.process(self._cold_start(idle[0], rule.cold_start_s, starting))
            elif load < rule.low and len(serving) > rule.least:
                self.records[serving[-1]]["up"] = 2
                self.env.process(self._retire(serving[-1], rule.interval_s))

    def _is_spare(self, at: int, starting: set[int]) -> bool:
        """Whether autoscaling may start a replica: it is neither up, nor on its way, nor broken."""
        return self.records[at]["up"] == 0 and at not in starting and at not in self.repaired_s

    def waiting(self) -> bool:
        """Whether there is work, or some may come, so that controllers go on."""
        if self.watch is not None and self.watch.left == 0:
            return False
        if self.watch is not None and self.watch.feedback is not None:
            coming = bool(self.watch.due)
        else:
            coming = self.env.now < float(self.trace.arrival_s[-1])
        inside = bool((self.records["outstanding"] > 0).any()) or self.moving > 0
        return coming or inside or (bool(self.held) and bool(self.repaired_s))

    def _cold_start(self, at: int, cold_start_s: float, starting: set[int]) -> Process:
        self.serving_since[at] = float(self.env.now)
        yield self.env.timeout(cold_start_s)
        since = self.serving_since[at]
        starting.discard(at)
        self.begin(at)
        self.serving_since[at] = since

    def _retire(self, at: int, interval_s: float) -> Process:
        """Wait until a retired replica is empty."""
        while self.records[at]["up"] == 2 and self.records[at]["outstanding"] > 0:
            yield self.env.timeout(interval_s)
            self.look()
        if self.records[at]["up"] == 2:
            self.records[at]["up"] = 0
            self._stop(at)


def serve_fleet(
    plan: FleetPlan,
    trace: Trace,
    slos: tuple[Slo, ...] = (),
    clients: Clients | None = None,
    wait: bool = False,
    log_steps: int = 0,
) -> ServingRun:
    """Serve a trace on a fleet. Raises InputError for a plan whose parts do not fit together.

    Open loop unless `clients` take the requests in order as a closed loop, or `wait` makes every turn of a session wait
    for the answers of the turn before it.
    """
    if not wait and is_still(plan, clients):
        return serve_still_fleet(FleetRecords(plan, trace, slos, log_steps), clients)
    return Fleet(plan, trace, slos, feedback_of(clients, trace, wait), log_steps).run()


__all__ = [
    "Autoscale",
    "Clients",
    "Clocking",
    "Failure",
    "Fleet",
    "FleetPlan",
    "Pool",
    "Roles",
    "Transfer",
    "serve_fleet",
]
