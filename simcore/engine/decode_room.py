"""Which decode pools could ever hold a request: asked before its prefill, so that nobody is refused half-way."""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.engine.fleet_plan import Pool
from simcore.policy.records import new_replicas


class DecodeRoom:
    """Of the pools of a fleet and its requests, whose lengths are known from the start."""

    def __init__(self, pools: list[Pool], requests: Any) -> None:
        self.holds = np.ones((len(pools), len(requests)), np.bool_)
        """`[pools, requests]`: whether a replica of the pool could hold the request with its whole output"""
        decode = [number for number, pool in enumerate(pools) if pool.role == "decode"]
        self.never = np.zeros(len(requests), np.bool_)
        self.differs = False
        """whether decode pools hold different requests, so that the router may not choose among all of them"""
        if not decode:
            return
        self._fill(pools, requests)
        held = self.holds[decode]
        self.never = ~held.any(axis=0) & (requests["output_tokens"] > 1)
        self.differs = bool((held != held[0]).any())

    def _fill(self, pools: list[Pool], requests: Any) -> None:
        from simcore.engine.kernels import fill_holds

        records = new_replicas(len(pools))
        for number, pool in enumerate(pools):
            pool.settings.fill(records[number])
        fill_holds(records, requests, self.holds)

    def refuses(self, number: int) -> bool:
        """Whether a request has more than one token to generate and no decode pool could ever hold it."""
        return bool(self.never[number])
