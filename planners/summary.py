"""What a sweep keeps, whatever its size: frontiers, best rows, nearest misses."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.axes import engine_name
from planners.pareto import non_dominated, sense
from planners.study import Study
from simcore.errors import InputError, suggest
from simcore.kept.lazy import dataclass
from simcore.result import ResultTable, concatenate
from simcore.spec.demand import Objectives
from simcore.spec.expression import Expression

SAMPLE_CHUNKS = 200
SAMPLE_ROWS = 60


@dataclass
class SweepSummary:
    """What a sweep keeps in memory, whatever its size."""

    study: Study
    evaluated: int = 0
    feasible: int = 0
    on_target: int = 0
    frontiers: dict[str, ResultTable] = field(default_factory=dict)
    """system -> its own non-dominated rows on target"""
    best: ResultTable | None = None
    """the best row on target of each system, weight format and chip count, best first"""
    nearest: ResultTable | None = None
    """rows that miss a target by least, where none meets all"""
    sample: list[ResultTable] = field(default_factory=list)
    """some rows of every chunk, for the cloud behind the frontier"""
    assumptions: dict[str, str] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    @property
    def frontier(self) -> ResultTable | None:
        """Rows on target that no row of any system dominates."""
        if not self.frontiers:
            return None
        return _frontier(None, concatenate(list(self.frontiers.values())), self.study.objective.frontier)

    def add(self, table: ResultTable) -> None:
        """Take one chunk in; all its rows have the same system and formats."""
        self.evaluated += len(table)
        self.feasible += int(table.feasible.sum())
        good = meets(table, self.study)
        self.on_target += int(good.sum())
        self.assumptions.update(table.assumptions)
        self.notes.update(dict.fromkeys(table.notes))
        if len(self.sample) < SAMPLE_CHUNKS and table.feasible.any():
            self.sample.append(table.where(np.flatnonzero(table.feasible)[:: max(1, len(table) // SAMPLE_ROWS)]))
        if good.any():
            kept = table.where(good)
            system = str(kept["system"][0])
            self.frontiers[system] = _frontier(self.frontiers.get(system), kept, self.study.objective.frontier)
            self.best = _best(self.best, kept, self.study.objective.rank_by)
        elif self.best is None and table.feasible.any():
            self.nearest = _nearest(self.nearest, table.where(table.feasible), self.study.targets)


def label(table: ResultTable, words: dict[str, str]) -> ResultTable:
    """The table with constant text columns in front."""
    texts: dict[str, NDArray[Any]] = {k: np.broadcast_to(np.array(v, object), len(table)) for k, v in words.items()}
    return ResultTable({**texts, **table.columns}, table.assumptions, table.notes)


def meets(table: ResultTable, study: Study) -> NDArray[np.bool_]:
    """Feasible rows within every latency target and constraint."""
    good = table.feasible
    for name in ("ttft_s", "tpot_s"):
        target = getattr(study.targets, name)
        if target is not None:
            good = good & (table[name] <= target)
    for text in study.objective.constraints:
        good = good & holds(text, table, study.file)
    return good


def holds(text: str, table: ResultTable, file: str) -> NDArray[np.bool_]:
    """Rows that meet a constraint; its names are scenario keys and fields of results. Raises InputError."""
    rule = Expression(text)
    columns: dict[str, Any] = {}
    for name in rule.names:
        column = table.columns.get(name, table.columns.get(engine_name(name)))
        if column is None:
            fix = suggest(name, [*table.columns])
            raise InputError(f"unknown name {name!r}", file=file, key="objective.constraints", fix=fix)
        columns[name] = column
    return np.asarray(rule.violation(columns) <= 0.0)


def _frontier(so_far: ResultTable | None, rows: ResultTable, objectives: tuple[str, ...]) -> ResultTable:
    rows = rows.where(non_dominated(_values(rows, objectives)))
    if so_far is not None:
        rows = concatenate([so_far, rows])
        rows = rows.where(non_dominated(_values(rows, objectives)))
    return rows.where(np.argsort(_values(rows, objectives)[:, 0], kind="stable"))


def _values(rows: ResultTable, objectives: tuple[str, ...]) -> NDArray[np.float64]:
    """All minimised, `[rows, objectives]`; what is unknown (money of a chip without a price) is worse than anything."""
    found = np.stack([sense(name) * np.asarray(rows[name], float) for name in objectives], axis=1)
    return np.where(np.isfinite(found), found, np.finfo(float).max)


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
