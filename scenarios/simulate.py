"""The verb `simulate`: a scenario's traffic served by the event engine, once or with several seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

from scenarios.answer import of_simulation
from scenarios.report import report, space
from scenarios.run import Ready, ready
from simcore.errors import SimcoreError
from simcore.kept.lazy import dataclass
from simcore.result import DoesNotFit, Result, Unsupported, frame, html_table
from simcore.spec import arguments
from simcore.spec.scenario import Scenario

OF_REQUESTS = ("arrival_s", "input_tokens", "output_tokens", "scheduled_s", "first_token_s", "done_s", "replica")
"""columns of a run's requests beside their latencies"""


@dataclass(frozen=True)
class Simulated:
    """The event engine's answer to a scenario."""

    ready: Ready
    run: Any = None
    """raw records of the first seed; None where nothing fits"""
    report: dict[str, Any] = field(default_factory=dict)
    """the whole summary"""

    @property
    def flat(self) -> dict[str, Any]:
        """The fields that every verb has."""
        return of_simulation(self.report or space(self.ready), self.ready)

    def to_frame(self) -> Any:
        """A pandas DataFrame with a row per request: what it asked, when things happened, its latencies."""
        from simcore.engine.metrics import request_metrics

        if self.run is None:
            return frame({})
        rows = self.run.requests
        return frame({name: rows[name] for name in OF_REQUESTS} | request_metrics(self.run))

    def _repr_html_(self) -> str:
        """Its numbers, for a notebook; or why there are none."""
        return html_table(self.ready.infeasible or self.ready.scenario.name, self.result.values.items())

    @property
    def result(self) -> Result:
        """The fields as a `Result`."""
        flat, why = self.flat, None
        if self.ready.infeasible:
            pool = self.ready.pool
            need, have = pool.need_bytes, pool.have_bytes
            why = (
                Unsupported(self.ready.infeasible)
                if need is None or have is None
                else DoesNotFit(pool.tier, need, have)
            )
        numbers = {k: v for k, v in flat.items() if not isinstance(v, list | dict)}
        assumptions = {str(n): text for n, text in enumerate(self.ready.assumptions)}
        return Result(numbers, why, assumptions=assumptions, notes=tuple(flat["notes"]))


MOST_SEEDS = 100_000
"""runs of one question"""


def simulate(
    scenario: Scenario,
    seeds: int = 1,
    skip_bad: bool = False,
    check: bool = False,
    log_steps: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Simulated:
    """Serve a scenario. `seeds` > 1 adds intervals over seeds; `check` verifies the numbered invariants.

    Raises InputError for bad input, SimcoreError for a broken invariant.
    """
    from simcore.engine.invariants import violations

    arguments.whole(seeds, "seeds", 1, MOST_SEEDS)
    first = ready(scenario, skip_bad)
    if first.infeasible:
        return Simulated(first)
    reports, kept = [], None
    for number in range(seeds):
        one = first if number == 0 else ready(scenario.replace(seed=scenario.seed + number), skip_bad)
        run = one.run(log_steps=log_steps if number == 0 else 0)
        reports.append(report(run, one))
        if check and (broken := violations(run)):
            raise SimcoreError("; ".join(broken))
        kept = run if number == 0 else kept
        if progress is not None:
            progress(number + 1, seeds)
    whole = reports[0] | over_seeds(reports) | {"skipped_rows": first.trace.skipped}
    if first.assumptions:
        whole["assumptions"] = list(first.assumptions)
    return Simulated(first, kept, whole)


def over_seeds(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean over seeds and the half width of its 95 % interval (Student), for the main figures."""
    if len(reports) < 2:
        return {}
    import numpy as np
    from scipy import stats

    paths = [(name, key) for name in ("ttft_s", "tpot_s", "e2e_s") for key in ("mean", "p50", "p99")]
    columns = {f"{name}.{key}": np.array([r[name][key] for r in reports]) for name, key in paths}
    rates = [n for n in ("throughput_tokens_per_s", "goodput_requests_per_s") if n in reports[0]]
    columns |= {name: np.array([r[name] for r in reports]) for name in rates}
    scale = stats.t.ppf(0.975, len(reports) - 1) / np.sqrt(len(reports))
    found = {
        name: {"mean": float(values.mean()), "half_width": float(scale * values.std(ddof=1))}
        for name, values in columns.items()
    }
    return {"over_seeds": {"seeds": len(reports), **found}}
