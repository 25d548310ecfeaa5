"""The event engine as an evaluator of points: any key of a scenario may be a parameter.

Level 0 serves a tenth of the requests, level 1 all of them. One seed is one draw of the traffic; a trace has one draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from planners.search.function import digest
from planners.search.problem import Outputs
from planners.search.scenario import plain_text
from planners.search.source import code_digest
from planners.search.space import Point
from planners.search.store import point_text
from scenarios.answer import FIELDS, common, of_simulation
from scenarios.report import report
from scenarios.run import Ready, ready
from scenarios.traffic import needed, traffic_of
from simcore.errors import InputError
from simcore.spec.scenario import Scenario

SHORT_RATIO = 0.1
LEAST_REQUESTS = 20
MORE = ("chips", "utilisation_ratio")


@dataclass(frozen=True)
class EventEvaluator:
    """Runs of the event engine around a scenario. Outputs are the numbers that every verb tells, and `chips`.

    `texts` join the key under which answers are kept. Step times are kept per process and point; they do not travel to
    workers.
    """

    scenario: Scenario
    texts: tuple[str, ...] = ()
    costs: tuple[float, ...] = (SHORT_RATIO, 1.0)
    _ready: dict[str, Ready | str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def noisy(self) -> bool:
        return needed(self.scenario).trace is None

    @property
    def outputs(self) -> tuple[str, ...]:
        return (*FIELDS, *MORE)

    def fingerprint(self) -> str:
        return f"event {digest(plain_text(self.scenario), *self.texts)} code {code_digest()}"

    def __call__(self, points: Sequence[Point], seeds: Sequence[int], level: int) -> Outputs:
        """Raises InputError for a value that a key cannot have; a plan or policy that cannot be is a violation."""
        rows = [self._one(point, seed, level) for point, seed in zip(points, seeds, strict=True)]
        names = (*self.outputs, "violation")
        return {name: np.array([row.get(name, math.nan) for row in rows], float) for name in names}

    def _one(self, point: Mapping[str, Any], seed: int, level: int) -> dict[str, float]:
        """One run. A plan that the model cannot have is a violation of 1, one that does not fit of need / have - 1."""
        known = self.prepared(point, level)
        if isinstance(known, str):
            return {"violation": 1.0}
        if known.infeasible:
            need, have = known.pool.need_bytes, known.pool.have_bytes
            return {"violation": max(need / have - 1.0, 1e-6) if need and have else 1.0}
        scenario = known.scenario.replace(seed=seed)
        now = replace(known, scenario=scenario, trace=traffic_of(scenario) if self.noisy else known.trace)
        run = now.run()
        told = report(run, now)
        out = {name: float(v) for name, v in of_simulation(told, now).items() if name in FIELDS and v is not None}
        out |= {"chips": float(now.replicas * now.chips), "utilisation_ratio": told["utilisation_ratio"]}
        return out | {"violation": (told["requests"] - told["served"]) / max(told["requests"], 1)}

    def prepared(self, point: Mapping[str, Any], level: int = 1) -> Ready | str:
        """Everything but the traffic's draw; a text says why a point cannot run."""
        key = f"{level}{point_text(dict(point))}"
        if key not in self._ready:
            try:
                self._ready[key] = ready(self.changed(point, level))
            except InputError as error:
                if (error.key or "").partition(".")[0] not in ("plan", "policy"):
                    raise
                self._ready[key] = str(error)
        return self._ready[key]

    def changed(self, point: Mapping[str, Any], level: int = 1) -> Scenario:
        """The scenario at a point."""
        changes = {**point, "vary": {}, "laws": {}}
        traffic = needed(self.scenario)
        if level == 0 and traffic.trace is not None:
            rows = traffic.head or len(traffic_of(self.scenario))
            changes["traffic.head"] = max(LEAST_REQUESTS, round(rows * SHORT_RATIO))
        elif level == 0:
            count = int(point.get("traffic.requests", traffic.requests))
            changes["traffic.requests"] = max(LEAST_REQUESTS, round(count * SHORT_RATIO))
        return self.scenario.set(changes)

    def told(self, point: Point, values: Mapping[str, Any]) -> dict[str, Any]:
        """What every answer says beside its numbers: formats, stack, assumptions, notes, intervals of `values`."""
        known = self.prepared(point)
        if isinstance(known, str):
            return common(None, known)
        return common(known.resolved, known.infeasible, known.assumptions, values=values)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ready": {}}
