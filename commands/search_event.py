"""The event engine as an evaluator of points: parameters are paths of a scenario file (`plan.tp`, `policy.scheduler`).

Level 0 serves a tenth of the requests, level 1 all of them: one seed is one draw of the traffic.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

LATENCIES = ("ttft_s", "tpot_s", "e2e_s", "queue_s")
QUANTILES = ("p50", "p90", "p99")
PLAIN = (
    "throughput_tokens_per_s",
    "goodput_requests_per_s",
    "attainment_ratio",
    "utilisation_ratio",
    "energy_j_per_token",
    "usd_per_million_tokens",
)
SHORT_RATIO = 0.1


@dataclass(frozen=True)
class EventEvaluator:
    """Runs of the event engine around a scenario. Outputs are `ttft_p50_s` and the like, totals, and `chips`.

    Step times are kept per process and point; they do not travel to workers.
    """

    scenario: Any
    """a `simcore.spec.scenario.Simulation`"""
    calibration: str = ""
    costs: tuple[float, ...] = (SHORT_RATIO, 1.0)
    noisy: bool = True
    _ready: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def outputs(self) -> tuple[str, ...]:
        named = (f"{name.removesuffix('_s')}_{q}_s" for name in LATENCIES for q in QUANTILES)
        return (*named, *PLAIN, "chips")

    def fingerprint(self) -> str:
        from planners.search.function import digest
        from planners.search.source import code_digest

        kept = self.scenario.replace(seed=0).model_dump_json(exclude={"file"})
        return f"event {digest(kept, *_texts(self.scenario))} code {code_digest()} calibration {self.calibration}"

    def __call__(self, points: Sequence[Mapping[str, Any]], seeds: Sequence[int], level: int) -> dict[str, Any]:
        import numpy as np

        rows = [self._one(point, seed, level) for point, seed in zip(points, seeds, strict=True)]
        names = (*self.outputs, "violation")
        return {name: np.array([row.get(name, math.nan) for row in rows], float) for name in names}

    def _one(self, point: Mapping[str, Any], seed: int, level: int) -> dict[str, float]:
        """One run. A plan that the model cannot have, or that does not fit, is a violation of 1."""
        from commands.simulate import money
        from scenarios.run import traffic_of
        from simcore.engine.metrics import summary

        ready = self._prepared(point, level)
        if isinstance(ready, str):
            return {"violation": 1.0}
        scenario = ready.scenario.replace(seed=seed)
        ready = replace(ready, scenario=scenario, trace=traffic_of(scenario, False))
        run = ready.run()
        report = money(summary(run, ready.slos), ready, run)
        out = {f"{n.removesuffix('_s')}_{q}_s": report[n][q] for n in LATENCIES for q in QUANTILES}
        out |= {name: report[name] for name in PLAIN if report.get(name) is not None}
        chips = ready.replicas * scenario.plan.replica_chips
        unserved = report["requests"] - report["served"]
        return out | {"chips": float(chips), "violation": unserved / report["requests"]}

    def _prepared(self, point: Mapping[str, Any], level: int) -> Any:
        """Everything but the traffic's draw; a text says why a point cannot run."""
        from planners.search.store import point_text
        from scenarios.run import resolve
        from simcore.errors import InputError

        key = f"{level}{point_text(dict(point))}"
        if key not in self._ready:
            scenario = self._changed(point, level)
            try:
                ready = resolve(scenario)
                self._ready[key] = ready.infeasible or replace(ready, trace=None)
            except InputError as error:
                if error.key != "plan":
                    raise
                self._ready[key] = str(error)
        return self._ready[key]

    def _changed(self, point: Mapping[str, Any], level: int) -> Any:
        from scenarios.fields import changed

        scenario = self.scenario
        for name, value in point.items():
            scenario = changed(scenario, name, value)
        if level == 0:
            fewer = max(20, round(scenario.traffic.requests * SHORT_RATIO))
            scenario = changed(scenario, "traffic.requests", fewer)
        return scenario

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ready": {}}


def _texts(scenario: Any) -> list[str]:
    """The specs behind the scenario's names; chips that a point names are told apart by the point."""
    import simcore

    parts = []
    if scenario.model is not None:
        parts.append(simcore.resolve("model", scenario.model.name).model_dump_json())
    if scenario.traffic.name is not None:
        parts.append(simcore.resolve("traffic", scenario.traffic.name).model_dump_json())
    return parts + [_content(path) for path in _files(scenario)]


def _files(scenario: Any) -> list[Path]:
    """Files that the scenario names: its trace, its profiles."""
    here, steps = Path(scenario.file).parent, scenario.steps
    named = [scenario.traffic.trace, *((steps.mlp, steps.attention, steps.folder) if steps else ())]
    found: list[Path] = []
    for name in named:
        path = here / os.path.expandvars(name or "")
        found += [] if not name else sorted(path.rglob("*")) if path.is_dir() else [path]
    return [path for path in found if path.is_file()]


def _content(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def evaluator(study: Any) -> EventEvaluator:
    """The evaluator of a search study of kind "event". Raises InputError for a missing scenario."""
    from commands.search_specs import calibration_digest, hardware_digest
    from simcore.errors import InputError
    from simcore.spec.scenario import read_simulation

    if not study.evaluator.scenario:
        raise InputError("is missing", file=study.file, key="evaluator.scenario", fix="name a scenario file")
    path = Path(study.file).parent / study.evaluator.scenario
    return EventEvaluator(read_simulation(path), f"{calibration_digest()} hardware {hardware_digest()}")
