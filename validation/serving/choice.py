"""Choosing by prediction: does the configuration that we rank first really have (nearly) the best throughput?

A group is a service (system, stack, model, lengths). Under a bound on TPOT the best is what has the most output tokens
per second and chip among what keeps the bound. Three readings of "configuration" and "bound", all reported:

* `rows`: a configuration is a row (plan and load), the bound the group's median measured TPOT, which for an odd count
  is the TPOT of one of the rows: an error of one per cent may decide.
* `round`: the same under the bounds that a user would state, `BOUNDS_S`, wherever some rows keep one and others do not.
* `plans`: a configuration is a plan and format, whose load is free: its throughput at the bound is read off its curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simcore.step.times import Floats
from validation.serving.fit import Measured
from validation.serving.measures import grouped, spearman

LEAST_GROUP = 8
GOOD_CHOICE = 0.95
BOUNDS_S = (0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1)


@dataclass(frozen=True)
class Service:
    """Rows of one group: TPOT and throughput per chip, measured and predicted, all `[rows]`."""

    curves: tuple[str, ...]
    tpot_s: Floats
    real: Floats
    told_tpot_s: Floats
    told: Floats

    def row_choice(self, bound_s: float) -> float | None:
        """Measured throughput of the row ranked first over the best; 0 where none is chosen, None without any best."""
        best = np.where(self.tpot_s <= bound_s, self.real, 0.0).max()
        ranked = np.where(self.told_tpot_s <= bound_s, self.told, 0.0)
        if best == 0.0:
            return None
        return float(self.real[int(np.argmax(ranked))] / best) if ranked.max() > 0.0 else 0.0

    def plan_choice(self, bound_s: float) -> float | None:
        """The same for plans at the bound; None where fewer than two plans reach it."""
        places = list(grouped(self.curves).values())
        real = np.array([at_bound(self.tpot_s[at], self.real[at], bound_s) for at in places])
        told = np.array([at_bound(self.told_tpot_s[at], self.told[at], bound_s) for at in places])
        if (real > 0.0).sum() < 2:
            return None
        return float(real[int(np.argmax(told))] / real.max()) if told.max() > 0.0 else 0.0

    def among_met(self, bound_s: float) -> float:
        """Row choice, ranking only rows that really keep the bound."""
        met = self.tpot_s <= bound_s
        return float(self.real[int(np.argmax(np.where(met, self.told, 0.0)))] / np.where(met, self.real, 0.0).max())

    def round_bounds_s(self) -> list[float]:
        """Bounds that some rows keep and others do not."""
        return [bound_s for bound_s in BOUNDS_S if 0 < (self.tpot_s <= bound_s).sum() < len(self.tpot_s)]


def at_bound(tpot_s: Floats, throughput: Floats, bound_s: float) -> float:
    """Throughput of a curve of loads at a TPOT bound, log-linear between its points; 0 below its lowest TPOT.

    >>> at_bound(np.array([0.01, 0.02]), np.array([100.0, 150.0]), 0.02)
    150.0
    """
    order = np.argsort(tpot_s)
    times_s, rates = np.maximum.accumulate(tpot_s[order]), throughput[order]
    if bound_s < times_s[0]:
        return 0.0
    if bound_s >= times_s[-1]:
        return float(rates.max())
    return float(np.exp(np.interp(np.log(bound_s), np.log(times_s), np.log(rates))))


def throughput(row: Measured, ttft_s: float, tpot_s: float) -> float:
    """Output tokens per second and chip of a closed loop: users x output / (time of one request x chips)."""
    asked = row.question
    span_s = ttft_s + tpot_s * (asked.output_tokens - 1)
    return asked.users * asked.output_tokens / span_s / asked.chips


def choosing(rows: Sequence[Measured], ttft_s: Floats, tpot_s: Floats) -> dict[str, Any]:
    """Rank correlations within groups of at least eight rows, and the share of good first choices by each reading."""
    tpot_rank, ttft_rank = [], []
    shares: dict[str, list[float]] = {"rows": [], "met": [], "round": [], "plans": [], "round_plans": []}
    for places in grouped(_service_name(row) for row in rows).values():
        kept = [at for at in places if np.isfinite(tpot_s[at])]
        if len(kept) < LEAST_GROUP:
            continue
        some = [rows[at] for at in kept]
        ttft_rank.append(spearman(ttft_s[kept], np.array([row.ttft_s for row in some])))
        tpot_rank.append(spearman(tpot_s[kept], np.array([row.tpot_s for row in some])))
        group = _service(some, ttft_s[kept], tpot_s[kept])
        middle_s, round_s = float(np.median(group.tpot_s)), group.round_bounds_s()
        shares["met"].append(group.among_met(middle_s))
        for name, found in (
            ("rows", [group.row_choice(middle_s)]),
            ("plans", [group.plan_choice(middle_s)]),
            ("round", [group.row_choice(bound_s) for bound_s in round_s]),
            ("round_plans", [group.plan_choice(bound_s) for bound_s in round_s]),
        ):
            shares[name] += [share for share in found if share is not None]
    return {
        "groups": len(tpot_rank),
        "tpot_spearman_median": float(np.nanmedian(tpot_rank)) if tpot_rank else float("nan"),
        "ttft_spearman_median": float(np.nanmedian(ttft_rank)) if ttft_rank else float("nan"),
        "first_choice_good": _good(shares["rows"]),
        "first_choice_among_met": _good(shares["met"]),
        "first_choice_round_bounds": _good(shares["round"]),
        "round_bounds": len(shares["round"]),
        "first_plan_good": _good(shares["plans"]),
        "plan_groups": len(shares["plans"]),
        "first_plan_round_bounds": _good(shares["round_plans"]),
        "plan_round_bounds": len(shares["round_plans"]),
    }


def _good(shares: Sequence[float]) -> float:
    return float(np.mean([share >= GOOD_CHOICE for share in shares])) if shares else float("nan")


def _service(rows: Sequence[Measured], ttft_s: Floats, tpot_s: Floats) -> Service:
    real = np.array([throughput(row, row.ttft_s, row.tpot_s) for row in rows])
    told = np.array([throughput(row, *pair) for row, pair in zip(rows, zip(ttft_s, tpot_s, strict=True), strict=True)])
    curves = tuple(row.question.curve for row in rows)
    return Service(curves, np.array([row.tpot_s for row in rows]), real, np.asarray(tpot_s), told)


def _service_name(row: Measured) -> str:
    asked = row.question
    return f"{asked.system}|{asked.stack}|{asked.family}|{asked.input_tokens}|{asked.output_tokens}|{asked.mode}"
