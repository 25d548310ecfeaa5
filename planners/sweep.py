"""Evaluate every plan of a study in chunks, keep what is not dominated, rank what meets the targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.evaluate import CHUNK, Evaluator
from planners.pareto import non_dominated, sense
from planners.plans import AXES, PlanGrid
from planners.study import Study
from simcore.result import ResultTable, concatenate
from simcore.spec.demand import Objectives
from simcore.spec.plan import ParallelPlan
from simcore.spec.scenario import Scenario

Progress = Callable[[int, int], None]
"""called with (grid points done, grid points in all)"""


@dataclass
class SweepSummary:
    """What a sweep keeps in memory, whatever its size."""

    study: Study
    evaluated: int = 0
    feasible: int = 0
    on_target: int = 0
    frontier: ResultTable | None = None
    best: ResultTable | None = None
    """the best row on target of each system, weight format and chip count, best first"""
    nearest: ResultTable | None = None
    """rows that miss a target by least, where none meets all"""
    assumptions: dict[str, str] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def add(self, table: ResultTable) -> None:
        """Take one chunk in."""
        self.evaluated += len(table)
        self.feasible += int(table.feasible.sum())
        good = meets(table, self.study.slo.objectives)
        self.on_target += int(good.sum())
        self.assumptions.update(table.assumptions)
        self.notes.update(dict.fromkeys(table.notes))
        if good.any():
            kept = table.where(good)
            self.frontier = _frontier(self.frontier, kept, self.study.objective.frontier)
            self.best = _best(self.best, kept, self.study.objective.rank_by)
        elif self.best is None and table.feasible.any():
            self.nearest = _nearest(self.nearest, table.where(table.feasible), self.study.slo.objectives)


@dataclass(frozen=True)
class Sweep:
    """A study with everything that its names stand for."""

    study: Study
    base: Scenario
    evaluator: Evaluator

    def tables(self, progress: Progress | None = None) -> Iterator[ResultTable]:
        """Valid plans, one table per chunk and combination of system and formats, with those as columns."""
        space, systems = self.study.space, self.evaluator.systems
        combos = [(s, w, k) for s in systems for w in space.weights for k in space.kv]
        grid = PlanGrid({name: [float(v) for v in getattr(space, name)] for name in AXES})
        for number, (system, weights, kv) in enumerate(combos):
            plan = ParallelPlan(weights=weights, kv=kv, activations=space.activations)
            scenario = self.base.replace(system=systems[system], plan=plan)
            for columns in grid.chunks(self.base.model, scenario.system.max_chips, CHUNK):
                table = self.evaluator(scenario, columns)
                yield label(table, {"system": system, "chip": scenario.system.chip.name, "weights": weights, "kv": kv})
            if progress:
                progress((number + 1) * grid.size, len(combos) * grid.size)

    def run(self, sink: Callable[[ResultTable], None], progress: Progress | None = None) -> SweepSummary:
        """Evaluate everything; every chunk also goes to `sink` (a file, a list, nothing)."""
        summary = SweepSummary(self.study)
        for table in self.tables(progress):
            summary.add(table)
            sink(table)
        return summary


def label(table: ResultTable, words: dict[str, str]) -> ResultTable:
    """The table with constant text columns in front."""
    texts: dict[str, NDArray[Any]] = {k: np.full(len(table), v, dtype=object) for k, v in words.items()}
    return ResultTable({**texts, **table.columns}, table.assumptions, table.notes)


def meets(table: ResultTable, targets: Objectives) -> NDArray[np.bool_]:
    """Feasible rows within every latency target."""
    good = table.feasible
    for name in ("ttft_s", "tpot_s"):
        target = getattr(targets, name)
        if target is not None:
            good = good & (table[name] <= target)
    return good


def _frontier(so_far: ResultTable | None, rows: ResultTable, objectives: tuple[str, ...]) -> ResultTable:
    rows = rows.where(non_dominated(_values(rows, objectives)))
    if so_far is not None:
        rows = concatenate([so_far, rows])
        rows = rows.where(non_dominated(_values(rows, objectives)))
    return rows.where(np.argsort(_values(rows, objectives)[:, 0], kind="stable"))


def _values(rows: ResultTable, objectives: tuple[str, ...]) -> NDArray[np.float64]:
    return np.stack([sense(name) * np.asarray(rows[name], float) for name in objectives], axis=1)


def _best(so_far: ResultTable | None, rows: ResultTable, rank_by: str) -> ResultTable:
    """One row per (system, weights, chips), the best by `rank_by`, sorted; a chunk has one system and format."""
    rows = _first_of_each(rows, rank_by, rows["chips"])
    if so_far is None:
        return rows
    rows = concatenate([so_far, rows])
    parts = zip(*(rows[n] for n in ("system", "weights", "chips")), strict=True)
    return _first_of_each(rows, rank_by, np.array([f"{s}|{w}|{c:.0f}" for s, w, c in parts]))


def _first_of_each(rows: ResultTable, rank_by: str, keys: NDArray[Any]) -> ResultTable:
    order = np.argsort(sense(rank_by) * np.asarray(rows[rank_by], float), kind="stable")
    return rows.where(order[np.sort(np.unique(keys[order], return_index=True)[1])])


def _nearest(so_far: ResultTable | None, rows: ResultTable, targets: Objectives) -> ResultTable:
    """The five rows whose worst target ratio is smallest."""
    if so_far is not None:
        rows = concatenate([so_far, rows])
    named = [(n, t) for n in ("ttft_s", "tpot_s") if (t := getattr(targets, n)) is not None]
    miss = np.max([rows[n] / t for n, t in named], axis=0) if named else np.zeros(len(rows))
    return rows.where(np.argsort(miss, kind="stable")[:5])
