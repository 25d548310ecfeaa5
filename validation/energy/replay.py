"""Answers to rows of energy: `simulate`'s own run, measured over the window of the measurement."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scenarios.read import from_raw
from scenarios.run import Ready, ready
from scenarios.steps import kept_steps, with_policy
from simcore.cost.board_power import BoardPower
from simcore.engine.metrics import itl
from simcore.errors import InputError
from simcore.step.sample import served_steps
from simcore.step.served import Served
from validation.energy.question import scenario_tables
from validation.energy.rows import EnergyRow


@dataclass(frozen=True)
class Answer:
    """Of the window in which the cap is full; `reason` says why there is none."""

    itl_median_s: float = np.nan
    output_tokens_per_s: float = np.nan
    chip_power_w: float = np.nan
    reason: str = ""


@dataclass
class Replayer:
    """Answers rows; keeps what their scenarios resolve to."""

    known: dict[EnergyRow, Ready] = field(default_factory=dict)

    def ready(self, row: EnergyRow) -> Ready:
        """The row's scenario, resolved; raises InputError where nothing fits."""
        if row not in self.known:
            found = ready(from_raw(scenario_tables(row), "row.toml"))
            if found.infeasible:
                raise InputError(found.infeasible)
            self.known[row] = found
        return self.known[row]

    def answer(self, row: EnergyRow, by: Served | None = None, law: BoardPower | None = None) -> Answer:
        """The row through `simulate`, with other server effects or another law of board power if given."""
        if row.reason:
            return Answer(reason=row.reason)
        try:
            mine = self.ready(row)
        except InputError as error:
            return Answer(reason=str(error))
        if by is not None or law is not None:
            mine = changed(mine, by, law)
        run = mine.run()
        start_s, end_s = window(run, row.most)
        tokens = tokens_until(run, end_s) - tokens_until(run, start_s)
        watts = power_w(run, start_s, end_s) / mine.chips
        return Answer(itl(run)["p50"], tokens / (end_s - start_s), watts)


def changed(known: Ready, by: Served | None, law: BoardPower | None) -> Ready:
    """The deployment with other effects, and another law of power."""
    resolved = known.resolved
    assert resolved is not None
    raw = kept_steps(resolved)
    if law is not None:
        raw = replace(raw, physics=replace(raw.physics, cost_model=replace(resolved.cost_model, power=law)))
    adds = resolved.served if by is None else resolved.adding(by)
    return replace(known, step_times=with_policy(served_steps(raw, adds), known.scenario.policy))


def window(run: Any, most: int) -> tuple[float, float]:
    """(start, end) in which the cap is full: from as many first tokens until only as many requests are left."""
    rows = run.requests
    first, done = np.sort(rows["first_token_s"]), np.sort(rows["done_s"])
    count = len(rows)
    start_s = float(first[min(most, count) - 1])
    end_s = float(done[max(count - most - 2, 0)])
    return start_s, end_s if end_s > start_s else float(done[-1])


def tokens_until(run: Any, at_s: float) -> float:
    """Tokens made until a time, each request's evenly spaced."""
    rows = run.requests
    span_s = np.maximum(rows["done_s"] - rows["first_token_s"], 1e-9)
    share = np.clip((at_s - rows["first_token_s"]) / span_s, 0.0, 1.0)
    return float(np.where(at_s < rows["first_token_s"], 0.0, 1.0 + (rows["output_tokens"] - 1) * share).sum())


def power_w(run: Any, start_s: float, end_s: float) -> float:
    """Mean board power of all chips between two times, from the run's series; of the whole run where the window is
    shorter than a bin."""
    width_s = float(run.replicas["series_width_s"].max())
    energy = run.replicas["energy"].sum(axis=0)
    low, high = int(start_s / width_s) + 1, int(end_s / width_s)
    if high <= low:
        low, high = 0, int(float(run.replicas["series_end_s"].max()) / width_s) + 1
    return float(energy[low:high].sum()) / ((high - low) * width_s)
