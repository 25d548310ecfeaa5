"""Every plan and load by the analytic engine: what each plan serves within the bounds, and what would change that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.sizing.question import SizeQuestion
from planners.sweep import prepare
from simcore.result import ResultTable, concatenate

DEGREES = ("tp", "pp", "attention_dp", "ep")
RELAXED = (1.25, 1.5, 2.0, 3.0)
WORTH = 0.9
"""a relaxed bound is told where it brings the cost down to this share"""


@dataclass(frozen=True)
class Estimated:
    """All plans and loads, one row each."""

    table: ResultTable
    ttft_s: float
    tpot_s: float
    rate_per_s: float | None
    kinds: int
    """of systems to choose from"""

    @property
    def by(self) -> str:
        """What decides: cost per hour under a rate; else output per chip, or cost per token where chips differ."""
        if self.rate_per_s is not None:
            return "usd_per_hour"
        return "throughput_per_chip_tokens_per_s" if self.kinds == 1 else "usd_per_million_tokens"

    def number(self, name: str) -> NDArray[np.float64]:
        """A column; NaN where a row has none."""
        return np.asarray(self.table[name], float)

    def within(self, ttft: float = 1.0, tpot: float = 1.0) -> NDArray[np.bool_]:
        """Rows that fit and meet the bounds, each relaxed by a factor."""
        good = (self.number("ttft_s") <= ttft * self.ttft_s) & (self.number("tpot_s") <= tpot * self.tpot_s)
        return good & np.asarray(self.table.feasible)

    @property
    def replicas(self) -> NDArray[np.float64]:
        """How many of each row serve the rate; one each without a rate."""
        if self.rate_per_s is None:
            return np.ones(len(self.table))
        served = np.maximum(np.nan_to_num(self.number("requests_per_s")), 1e-12)
        return np.ceil(self.rate_per_s / served)

    @property
    def cost(self) -> NDArray[np.float64]:
        """What decides of every row, the least first: for output per chip its reciprocal."""
        found = self.number(self.by)
        if self.rate_per_s is not None:
            found = found * self.replicas
        elif self.kinds == 1:
            found = 1.0 / np.maximum(found, 1e-12)
        return np.where(np.isnan(found), np.inf, found)

    def plan(self, row: int) -> dict[str, Any]:
        """System and degrees of a row."""
        degrees = {name: int(self.table[name][row]) for name in DEGREES if name in self.table.columns}
        return {"system": str(self.table["system"][row]), **degrees}

    def best(self, good: NDArray[np.bool_], most: int) -> list[int]:
        """The best row of each plan among `good`, best plans first."""
        rows = np.flatnonzero(good)
        return self._one_per_plan(rows[np.lexsort((self.number("tpot_s")[rows], self.cost[rows]))], most)

    def nearest(self, most: int) -> list[int]:
        """Rows that miss the bounds by the smallest factor, one per plan."""
        over = np.maximum(self.number("ttft_s") / self.ttft_s, self.number("tpot_s") / self.tpot_s)
        rows = np.flatnonzero(np.asarray(self.table.feasible) & np.isfinite(over))
        return self._one_per_plan(rows[np.argsort(over[rows], kind="stable")], most)

    def _one_per_plan(self, rows: NDArray[np.intp], most: int) -> list[int]:
        found: dict[tuple[Any, ...], int] = {}
        for row in rows.tolist():
            found.setdefault(tuple(self.plan(row).values()), row)
            if len(found) == most:
                break
        return list(found.values())

    def what_would_change(self) -> list[dict[str, Any]]:
        """For each bound the least relaxation that makes the answer a tenth cheaper, and what the answer is then."""
        now = self.best(self.within(), 1)
        if not now:
            return []
        told = []
        for bound in ("ttft", "tpot"):
            for factor in RELAXED:
                other = self.best(self.within(**{bound: factor}), 1)[0]
                ratio = float(self.cost[other] / self.cost[now[0]])
                if ratio <= WORTH:
                    limit = factor * (self.ttft_s if bound == "ttft" else self.tpot_s)
                    told.append({"bound": bound, "limit_s": limit, "cost_ratio": ratio, **self.plan(other)})
                    break
        return told


def estimated(
    question: SizeQuestion, rate_per_s: float | None, progress: Callable[[int, int], None] | None
) -> Estimated:
    """Evaluate the grid. Raises InputError."""
    scenario = question.scenario({"vary": question.axes()})
    tables: list[ResultTable] = []
    prepare(scenario).run(tables.append, progress)
    slo = scenario.slo
    assert slo.ttft_s is not None and slo.tpot_s is not None
    table = concatenate(tables)
    if "plan.ep" not in question.vary:  # experts whole on all ranks, or sliced over them: what servers offer
        table = table.where((table["ep"] == 1) | (table["ep"] == table["tp"] * table["attention_dp"]))
    return Estimated(table, slo.ttft_s, slo.tpot_s, rate_per_s, len(question.systems))
