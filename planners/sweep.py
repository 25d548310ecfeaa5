"""Evaluate every plan of a study in chunks, keep what is not dominated, rank what meets the targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.evaluate import CHUNK, Evaluator
from planners.pareto import non_dominated, sense
from planners.plans import AXES, PlanGrid
from planners.study import Study
from simcore.cost.base import CostModel
from simcore.errors import InputError
from simcore.ops.op import DEGREES
from simcore.result import Result, ResultTable, concatenate
from simcore.spec.case import Case
from simcore.spec.demand import Demand, Objectives, fixed
from simcore.spec.economics import Economics
from simcore.spec.hardware import Chip
from simcore.spec.plan import ParallelPlan
from simcore.spec.system import System

Progress = Callable[[int, int], None]
"""called with (grid points done, grid points in all)"""


SAMPLE_CHUNKS, SAMPLE_ROWS = 200, 60


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
        good = meets(table, self.study.slo.objectives)
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
            self.nearest = _nearest(self.nearest, table.where(table.feasible), self.study.slo.objectives)


Resolve = Callable[[str, str], Any]
"""(kind, name) -> spec"""


@dataclass(frozen=True)
class Sweep:
    """A study with everything that its names stand for."""

    study: Study
    base: Case
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

    def restore(self, tables: Iterable[ResultTable]) -> SweepSummary:
        """The summary of a run from its stored tables, each of one system and format."""
        summary = SweepSummary(self.study)
        for table in tables:
            summary.add(table)
        for system in self.evaluator.systems.values():
            summary.assumptions.update(system.assumptions())
            for weights in self.study.space.weights:
                plan = ParallelPlan(weights=weights, activations=self.study.space.activations)
                summary.notes.update(dict.fromkeys(self.evaluator.notes(self.base.replace(system=system, plan=plan))))
        return summary

    def pages(self, summary: SweepSummary) -> SweepPages:
        """What a report shows: the tables kept, and the best plan of each system in detail."""
        best = summary.best if summary.best is not None else summary.nearest
        picks: dict[str, Result] = {}
        rows = best.rows() if best is not None else iter(())
        for row in rows:
            if row.system not in picks:
                picks[row.system] = self.evaluator.one(self.scenario_of(row))
        return SweepPages(summary, self.base, dict(self.evaluator.systems), picks)

    def scenario_of(self, row: Result) -> Case:
        """The scenario behind a row of the table."""
        degrees = {name: round(getattr(row, name)) for name in DEGREES}
        plan = ParallelPlan(weights=row.weights, kv=row.kv, activations=self.study.space.activations)
        plan = plan.replace(**{**degrees, "sp": bool(degrees["sp"])})
        return self.base.replace(system=self.evaluator.systems[row.system], plan=plan, batch=round(row.batch))


@dataclass(frozen=True)
class SweepPages:
    """A finished sweep for a report to draw."""

    summary: SweepSummary
    base: Case
    systems: dict[str, System]
    picks: dict[str, Result]
    """system -> its best plan on target, with the breakdown"""


def prepare(study: Study, resolve: Resolve, cost_model: Callable[[Chip, str], CostModel]) -> Sweep:
    """Resolve a study's names. Raises InputError naming what is unknown or missing."""
    with located(study, "hardware.systems"):
        systems = {name: resolve("system", name) for name in study.hardware.systems}
    with located(study, "hardware.stack"):
        for system in systems.values():
            cost_model(system.chip, study.hardware.stack)
    with located(study, "model.name"):
        model = resolve("model", study.model.name)
    base = Case(
        model=model,
        system=next(iter(systems.values())),
        policy=study.policy,
        demand=demand_of(study, resolve),
        economics=prices_of(study, resolve),
        stack=study.hardware.stack,
        quantile=study.slo.quantile,
    )
    return Sweep(study, base, Evaluator(systems, cost_model))


@contextmanager
def located(study: Study, key: str) -> Iterator[None]:
    """Errors about a name say which key of which study gave it."""
    try:
        yield
    except InputError as error:
        error.file, error.key = error.file or study.file or study.name, error.key or key
        raise


def demand_of(study: Study, resolve: Resolve) -> Demand:
    """Named traffic, a trace, or fixed lengths."""
    traffic = study.traffic
    if traffic.trace is not None:
        from scenarios.traces import demand_of_trace

        return demand_of_trace(traffic, study.file)
    if traffic.name:
        with located(study, "traffic.name"):
            found: Demand = resolve("traffic", traffic.name)
        return found
    if not (traffic.input_tokens and traffic.output_tokens):
        raise InputError(
            "has no lengths",
            file=study.file or study.name,
            key="traffic",
            fix="give name, trace, or input_tokens and output_tokens",
        )
    return Demand(name="fixed", input=fixed(traffic.input_tokens), output=fixed(traffic.output_tokens))


def prices_of(study: Study, resolve: Resolve) -> Economics:
    """The default prices with the study's changes; a change given without a source counts as the user's."""
    prices: Economics = resolve("economics", "default")
    return prices.changed(study.economics, study.file or study.name)


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
