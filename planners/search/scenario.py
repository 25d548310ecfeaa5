"""The analytic engine as an evaluator of points: any field of a scenario or of a spec may be a parameter.

Degrees, formats, policy fields, `system` and the chip facts that the engine takes as columns are evaluated as arrays.
Any other path (`chip.memory.hbm.read_bandwidth`, `node.levels.0.link.bandwidth`, `demand.input.mean_tokens`) changes
the specs by value, and points that share those values are evaluated together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from planners.evaluate import FORMAT_COLUMNS, MACHINE_COLUMNS, POLICY_COLUMNS, Evaluator
from planners.search.expression import Expression
from planners.search.function import digest
from planners.search.problem import Outputs
from planners.search.source import code_digest
from planners.search.space import Point
from planners.study import OBJECTIVES
from scenarios.fields import changed, read
from simcore.errors import InputError
from simcore.ops.op import DEGREES
from simcore.result import Reason, ResultTable
from simcore.spec.case import Case
from simcore.spec.system import System

HARDWARE = ("chip", "node", "cluster")
BY_VALUE = ("chip.money.purchase", "chip.money.rental")
"""the engine's columns of these would replace the node's share as well"""
COLUMNS = {*DEGREES, "batch", "system", *FORMAT_COLUMNS, *POLICY_COLUMNS, *MACHINE_COLUMNS} - set(BY_VALUE)
MEMORY = ("need_bytes", "have_bytes")


@dataclass(frozen=True)
class ScenarioEvaluator:
    """Steady-state answers for points around `base`.

    `laws` map a name to an expression of parameters and of facts of the specs: a dotted path or a column is set by it
    (a price that follows the bandwidth), any other name becomes an output (an area). `calibration` is a digest of the
    fitted artefacts, part of the key under which answers are kept.
    """

    base: Case
    evaluator: Evaluator
    laws: Mapping[str, Expression] = field(default_factory=dict)
    calibration: str = ""
    costs: tuple[float, ...] = (1.0,)
    noisy: bool = False

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        return (*OBJECTIVES, *MEMORY, *(n for n in self.laws if not is_field(n)))

    def fingerprint(self) -> str:
        systems = {n: s.model_dump_json() for n, s in sorted(self.evaluator.systems.items())}
        model = self.evaluator.cost_model(self.base.system.chip, self.base.stack)
        laws = ";".join(f"{n}={e.text}" for n, e in self.laws.items())
        parts = (self.base.model_dump_json(), str(systems), laws, str(getattr(model, "name", "")), self.calibration)
        return f"analytic scenario {digest(*parts)} code {code_digest()} calibration {self.calibration or 'none'}"

    def __call__(self, points: Sequence[Point], seeds: Sequence[int], level: int) -> Outputs:
        """Raises InputError for a path that a chosen system does not have."""
        groups: dict[tuple[Any, ...], list[int]] = {}
        filled = [self._ruled(point) for point in points] if self._rules else points
        for row, point in enumerate(filled):
            shape = tuple(n for n in point if column_of(n))
            values = tuple((n, v) for n, v in point.items() if not column_of(n))
            groups.setdefault((shape, values), []).append(row)
        out = {name: np.full(len(points), np.nan) for name in (*self.outputs, "violation")}
        for (shape, values), rows in groups.items():
            table = self._group(shape, dict(values), [filled[r] for r in rows])
            for name, column in self._read(table, [filled[r] for r in rows]).items():
                out[name][rows] = column
        return out

    @cached_property
    def _rules(self) -> dict[str, Expression]:
        return {n: e for n, e in self.laws.items() if is_field(n)}

    def _ruled(self, point: Point) -> Point:
        """The point with what the laws set."""
        filled = dict(point)
        for name, law in self._rules.items():
            value = np.asarray(law(_Facts(filled, self._scenario(filled))))
            filled[name] = value.item() if value.ndim == 0 else value
        return filled

    def _scenario(self, point: Point) -> Case:
        system = point.get("system")
        return self.base if system is None else self.base.model_copy(update={"system": self._system(system)})

    def _system(self, name: str) -> System:
        if name not in self.evaluator.systems:
            raise InputError(f"unknown system {name!r}", key="system")
        return self.evaluator.systems[name]

    def _group(self, shape: tuple[str, ...], values: dict[str, Any], points: list[Point]) -> ResultTable:
        """Points that differ in columns only."""
        base, evaluator = self.base, self.evaluator
        if values:
            names = {p.get("system") for p in points} if "system" in shape else {None}
            systems = {n: _derived(self._system(n) if n else base.system, values) for n in names}
            scenario = {n: v for n, v in values.items() if n.partition(".")[0] not in HARDWARE}
            for name, value in scenario.items():
                base = changed(base, name, value)
            base = base.model_copy(update={"system": next(iter(systems.values()))})
            evaluator = Evaluator({n: s for n, s in systems.items() if n}, evaluator.cost_model, evaluator.chunk)
        columns = {str(column_of(n)): np.array([p[n] for p in points]) for n in shape}
        return evaluator(base, columns or {"batch": np.full(len(points), base.batch)})

    def _read(self, table: ResultTable, points: list[Point]) -> dict[str, Any]:
        reason = table["reason"]
        out = {name: np.asarray(table[name], float) for name in (*OBJECTIVES, *MEMORY)}
        short = np.maximum(out["need_bytes"] / out["have_bytes"] - 1, 1e-6)
        whole = [all(float(p[n]).is_integer() for n in DEGREES if n in p) for p in points]
        violation = np.where(reason == Reason.DOES_NOT_FIT, short, np.where(reason == Reason.FEASIBLE, 0.0, 1.0))
        out["violation"] = np.where(whole, violation, 1.0)
        for name, law in self.laws.items():
            if not is_field(name):
                facts = (_Facts(p, self._scenario(p), {k: v[i] for k, v in out.items()}) for i, p in enumerate(points))
                out[name] = np.array([float(law.number(f)) for f in facts])
        return out


class _Facts(dict[str, Any]):
    """What a law may name: parameters, outputs, then facts of the scenario's specs."""

    def __init__(self, point: Point, scenario: Case, outputs: Mapping[str, float] | None = None) -> None:
        super().__init__({**(outputs or {}), **point})
        self.scenario = scenario

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or self._find(str(name)) is not None

    def __missing__(self, name: str) -> Any:
        return self._find(name)

    def _find(self, name: str) -> Any:
        spec: Any = self.scenario.system if name.partition(".")[0] in HARDWARE else self.scenario
        try:
            found = read(spec, _main(spec, name))
        except InputError:
            return None
        return found if isinstance(found, int | float) else None


def column_of(name: str) -> str | None:
    """The engine's column behind a parameter's name; None where the specs must change.

    >>> column_of("plan.tp"), column_of("policy.kv_tier"), column_of("chip.memory.hbm.read_bandwidth")
    ('tp', 'kv_tier', None)
    """
    if name in COLUMNS:
        return name
    kind, _, rest = name.partition(".")
    if (kind == "plan" and rest in (*DEGREES, *FORMAT_COLUMNS)) or (kind == "policy" and rest in POLICY_COLUMNS):
        return rest
    return None


def is_field(name: str) -> bool:
    """True for what a law sets in the question, rather than an output of its own."""
    return column_of(name) is not None or "." in name


def _derived(system: System, values: Mapping[str, Any]) -> System:
    for name, value in values.items():
        if name.partition(".")[0] in HARDWARE:
            system = changed(system, _main(system, name), value)
    return system


def _main(spec: Any, name: str) -> str:
    """`chip.memory.main` as the tier's own name."""
    if isinstance(spec, System) and name.startswith("chip.memory.main."):
        return name.replace("chip.memory.main.", f"chip.memory.{spec.chip.main_tier}.", 1)
    return name
