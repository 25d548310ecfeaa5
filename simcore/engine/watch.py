"""The process that drives a fleet with feedback: completions become hand-overs, next requests, changes of role.

It alone advances the replicas, up to the first completion and never past the next SimPy event. Its clock is the exact
time of what happened; SimPy's own may differ in the last bit, because it adds delays.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Generator
from typing import Any

from simcore.engine.feedback import Feedback
from simcore.policy.records import NONE

Process = Generator[Any, Any, None]


class Watch:
    """Runs beside the other processes of a fleet."""

    def __init__(self, fleet: Any, feedback: Feedback | None) -> None:
        self.fleet, self.feedback = fleet, feedback
        self.due: list[tuple[float, int]] = feedback.first() if feedback else []
        heapq.heapify(self.due)
        self.clock_s = 0.0
        self.left = len(fleet.requests)
        self.poked: Any = None

    def run(self) -> Process:
        """Until nothing is left to happen."""
        env = self.fleet.env
        while True:
            yield env.timeout(0.0)
            while env.peek() <= env.now:
                yield env.timeout(0.0)
            self.release()
            horizon_s = min(self.due[0][0] if self.due else math.inf, float(env.peek()))
            reached_s = self.fleet.together.until_done(self.fleet, self.clock_s, horizon_s)
            if math.isinf(reached_s) and not self.due:
                self.poked = env.event()
                yield self.poked
                self.clock_s = max(self.clock_s, float(env.now))
                continue
            reached_s = min(reached_s, horizon_s)
            yield env.timeout(max(0.0, reached_s - env.now))
            self.clock_s = max(self.clock_s, reached_s)
            self.collect()

    def poke(self) -> None:
        """A request was sent while nothing ran."""
        if self.poked is not None and not self.poked.triggered:
            self.poked.succeed()

    def release(self) -> None:
        """Send what is due."""
        while self.due and self.due[0][0] <= self.clock_s:
            arrival_s, number = heapq.heappop(self.due)
            self.fleet.arrive(number, arrival_s)

    def collect(self) -> None:
        """Deal with every request that is done, in the order of replicas."""
        records, requests = self.fleet.records, self.fleet.requests
        for at in range(len(records)):
            number = int(records[at]["done_head"])
            records[at]["done_head"] = records[at]["done_tail"] = NONE
            while number != NONE:
                following = int(requests[number]["next"])
                if requests[number]["goal_tokens"] < requests[number]["output_tokens"]:
                    self.fleet.env.process(self.fleet.hand_over(number))
                else:
                    self.ended(number, float(requests[number]["done_s"]))
                number = following
        self.fleet.drained()

    def ended(self, number: int, done_s: float) -> None:
        """A request was served or refused: what follows from it is due later."""
        self.left -= 1
        if self.feedback is not None:
            for item in self.feedback.follow(number, done_s):
                heapq.heappush(self.due, item)
