"""The verb `sweep`: every plan of a scenario's [vary], in chunks; what is not dominated is kept, what is on target
ranked.

Degrees and the batch are walked as arrays; any other key (a system, a format, a field of the chip, a policy) makes a
scenario of its own per combination, looked up once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.axes import Axis, axes_of, check_values, combinations, engine_name
from planners.evaluate import CHUNK, Evaluator
from planners.homes import reach
from planners.load import MOST_BATCH, rate_of, under_load, with_values
from planners.plans import AXES, PlanGrid
from planners.study import Study, study_of
from planners.summary import SweepSummary, label
from scenarios.estimate import case_of
from scenarios.homes import several
from scenarios.read import with_changes
from scenarios.resolved import Resolved
from scenarios.stacks import cost_model
from scenarios.traffic import loop_of, needed
from simcore.errors import InputError
from simcore.kept.lazy import dataclass
from simcore.ops.op import DEGREES
from simcore.result import Result, ResultTable
from simcore.spec.case import Case
from simcore.spec.scenario import Scenario
from simcore.spec.system import System

Progress = Callable[[int, int], None]
"""called with (grid points done, grid points in all)"""


@dataclass(frozen=True)
class Group:
    """One combination of the axes that are no arrays: a case, what its names stand for, its labels."""

    case: Case
    resolved: Resolved
    labels: dict[str, Any]
    rate_per_s: float | None = None
    """of the traffic, where it is an open loop"""

    @property
    def system(self) -> System:
        return self.case.system


@dataclass(frozen=True)
class Sweep:
    """A scenario with everything that its names stand for."""

    scenario: Scenario
    study: Study
    fast: dict[str, Axis]
    slow: dict[str, Axis]
    evaluator: Evaluator = field(default_factory=lambda: Evaluator({}, cost_model))

    def grid(self) -> PlanGrid:
        """Degrees, chips and batches."""
        plan, traffic = self.scenario.plan, needed(self.scenario)
        choices: dict[str, list[float]] = {name: [float(getattr(plan, name))] for name in DEGREES if name != "dp"}
        choices["batch"] = [float(traffic.batch or MOST_BATCH**2)]  # of users and rates it follows, plan by plan
        for key, axis in self.fast.items():
            choices[engine_name(key)] = [float(v) for v in axis.listed()]
        dp = choices.pop("dp", [float(getattr(plan, "replicas", 1))])
        stated = getattr(plan, "chips", None) if "plan.chips" not in self.fast else None
        if stated is not None:
            choices["chips"] = [float(stated)]
        return PlanGrid(choices, dp=None if "chips" in choices else tuple(dp))

    def groups(self) -> Iterator[Group]:
        """The combinations of the slow axes, each looked up."""
        plain = {key: 1 for key in self.fast if key.startswith("plan.") and key != "plan.chips"}
        base = self.scenario.replace(plan=self.scenario.plan.replace(chips=None, dp=None))
        for labels in combinations(self.slow):
            asked = with_changes(base, {**plain, **labels, "vary": {}})
            case, found = case_of(asked)
            said = self.scenario.hardware.system if self.scenario.hardware is not None else ""
            usual = said if isinstance(said, str) else found.system.name
            names = {"system": labels.get("hardware.system", usual), "chip": found.system.chip.name}
            weights, _, _, kv = found.plan.formats()
            more = {key: str(labels.get(key, "")) for key in self.slow if key not in LABELLED}
            rate = None if "traffic.batch" in self.fast else rate_of(found.scenario)
            yield Group(case, found, {**names, "weights": weights, "kv": kv, **more}, rate)

    def tables(self, progress: Progress | None = None) -> Iterator[ResultTable]:
        """Valid plans, one table per chunk and combination, labelled."""
        grid, count = self.grid(), sum(1 for _ in combinations(self.slow))
        for number, group in enumerate(self.groups()):
            for columns in grid.chunks(group.case.model, reach(group.system), CHUNK):
                table = self._loaded(group, columns)
                if len(table):
                    yield replace(label(table, group.labels), notes=(*group.resolved.notes, *table.notes))
            if progress:
                progress((number + 1) * grid.size, count * grid.size)

    def _loaded(self, group: Group, columns: dict[str, NDArray[np.float64]]) -> ResultTable:
        """The plans under the scenario's load: the batch of the grid, users over replicas, or what a rate needs."""
        loop = None if "traffic.batch" in self.fast else loop_of(group.resolved.scenario)
        return under_load(self.evaluator, group.case, columns, loop and loop[0], group.rate_per_s)

    def run(self, sink: Callable[[ResultTable], None], progress: Progress | None = None) -> SweepSummary:
        """Evaluate everything; every chunk also goes to `sink` (a file, a list, nothing)."""
        summary = SweepSummary(self.study)
        for table in self.tables(progress):
            summary.add(table)
            sink(table)
        return self.whole(summary)

    def whole(self, summary: SweepSummary) -> SweepSummary:
        """The summary of all tables, with a note on combinations that are no plans."""
        asked = self.grid().size * sum(1 for _ in combinations(self.slow))
        if asked > summary.evaluated:
            told = f"{asked - summary.evaluated:,} of {asked:,} combinations are left out: in a plan {NO_PLAN}"
            summary.notes[told] = None
        return summary

    def restore(self, tables: Iterable[ResultTable]) -> SweepSummary:
        """The summary of a run from its stored tables, each of one combination."""
        summary = SweepSummary(self.study)
        for table in tables:
            summary.add(table)
        for group in self.groups():
            summary.assumptions.update(group.system.assumptions())
            summary.notes.update(dict.fromkeys((*group.resolved.notes, *self.evaluator.notes(group.case))))
        return self.whole(summary)

    def pages(self, summary: SweepSummary) -> SweepPages:
        """What a report shows: the tables kept, and the best plan of each system in detail."""
        best = summary.best if summary.best is not None else summary.nearest
        picks: dict[str, Result] = {}
        groups = list(self.groups())
        rows = best.rows() if best is not None else iter(())
        for row in rows:
            if row.system not in picks:
                picks[row.system] = with_values(self.evaluator.one(case_of_row(row, groups)), row)
        systems = {str(group.labels["system"]): group.system for group in groups}
        return SweepPages(summary, groups[0].case, systems, picks)


NO_PLAN = (
    "tp divides the heads, ep the experts and the ranks, pp is at most the layers, replicas are whole and on the chips "
    "that there are, and a batch has a request for every stage and rank"
)
"""what holds of every row"""
LABELLED = ("hardware.system", "plan.weights", "plan.kv")
"""axes that every row tells under a shorter name"""


@dataclass(frozen=True)
class SweepPages:
    """A finished sweep for a report to draw."""

    summary: SweepSummary
    base: Case
    systems: dict[str, System]
    picks: dict[str, Result]
    """system -> its best plan on target, with the breakdown"""


def case_of_row(row: Result, groups: list[Group]) -> Case:
    """The case behind a row of the table."""
    group = next(g for g in groups if all(row.values.get(k) == v for k, v in g.labels.items()))
    degrees: Mapping[str, Any] = {name: round(getattr(row, name)) for name in DEGREES}
    plan = group.case.plan.replace(**{**degrees, "sp": bool(degrees["sp"])})
    system, _ = several(group.system, plan.replica_chips)
    return group.case.replace(system=system, plan=plan, batch=round(row.batch))


def prepare(scenario: Scenario) -> Sweep:
    """Look at a scenario's axes and names. Raises InputError naming file and key."""
    axes = axes_of(scenario)
    if not axes:
        fix = 'write for example "plan.tp" = [1, 2, 4], or --vary plan.tp=1,2,4'
        raise InputError("has no axes", file=scenario.file, key="vary", fix=fix)
    fast = {k: a for k, a in axes.items() if (k.startswith("plan.") or k == "traffic.batch") and engine_name(k) in FAST}
    slow = {k: a for k, a in axes.items() if k not in fast}
    check_values(scenario, fast.values())
    if any(axis.when for axis in fast.values()):
        slow, fast = axes, {}
    tables = scenario.tables() | {"name": scenario.name}
    study = study_of(scenario, "", tables)
    made = Sweep(scenario, study, fast, slow)
    return replace(made, study=study.replace(stack=next(made.groups()).resolved.release.name))


FAST = (*AXES, "dp")
