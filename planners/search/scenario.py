"""The analytic engine as an evaluator of points: any key of a scenario may be a parameter.

Degrees, the batch and those facts of the chip that change nothing else are evaluated as arrays. Any other key (a
system, a format, a policy, `hardware.chip.memory.hbm.read_bandwidth`) makes a scenario of its own, looked up once per
combination of values, so that a point's answer is that of `estimate` on the scenario with its keys set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.evaluate import Evaluator
from planners.load import rate_of, under_load
from planners.search.function import digest
from planners.search.names import in_words_of, key_of
from planners.search.problem import Outputs
from planners.search.source import code_digest
from planners.search.space import Point
from planners.study import OBJECTIVES
from scenarios.answer import common
from scenarios.estimate import case_of
from scenarios.fields import read
from scenarios.resolved import Resolved
from scenarios.stacks import cost_model
from scenarios.traffic import loop_of
from simcore.errors import InputError
from simcore.ops.op import DEGREES
from simcore.result import Reason, ResultTable
from simcore.spec.case import Case
from simcore.spec.expression import Expression
from simcore.spec.scenario import Scenario

PLAN = {f"plan.{name}": name for name in (*DEGREES, "chips")}
FACTS = {
    f"hardware.{name}": name
    for name in ("chip.power.tdp", "chip.power.idle", "chip.issue.kernel_launch", "chip.issue.graph_kernel")
}
"""facts of the chip that are columns of the engine and change neither its limits nor its price"""
BATCH = "traffic.batch"
MORE = ("need_bytes", "have_bytes", "kv_tokens", "max_concurrency", "max_batch", "queue_s", "batch")
HARDWARE = ("chip", "node", "cluster")
MOST_KEPT = 512
Slow = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Looked:
    """A scenario whose names are known, with its own evaluator."""

    case: Case
    found: Resolved
    evaluator: Evaluator
    rate_per_s: float | None


@dataclass(frozen=True)
class ScenarioEvaluator:
    """Steady-state answers for points around `scenario`; the keys of a point are keys of its file.

    `laws` map a name to an expression of parameters and of facts of the specs: a key is set by it (a price that follows
    the bandwidth), any other name becomes an output (an area). `texts` are what decides answers beside the scenario:
    specs, calibration; they join the key under which answers are kept.
    """

    scenario: Scenario
    laws: Mapping[str, Expression] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    """of the space: laws may name them in short"""
    costs: tuple[float, ...] = (1.0,)
    noisy: bool = False
    _known: dict[Slow, Looked | InputError] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        return (*OBJECTIVES, *MORE, *(name for name in self._rules if not is_field(name)))

    @cached_property
    def _rules(self) -> dict[str, Expression]:
        outputs = (*OBJECTIVES, *MORE)
        return {key_of(name): in_words_of(law, self.keys, outputs) for name, law in self.laws.items()}

    def fingerprint(self) -> str:
        laws = ";".join(f"{name}={law.text}" for name, law in self.laws.items())
        return f"analytic scenario {digest(plain_text(self.scenario), laws, *self.texts)} code {code_digest()}"

    def __call__(self, points: Sequence[Point], seeds: Sequence[int], level: int) -> Outputs:
        """Raises InputError for a value that a key cannot have; a plan that cannot be is a violation of 1."""
        filled = [self.ruled(point) for point in points]
        groups: dict[tuple[Slow, tuple[str, ...]], list[int]] = {}
        for row, point in enumerate(filled):
            groups.setdefault((slow_of(point), tuple(n for n in point if n in FACTS)), []).append(row)
        out = {name: np.full(len(points), np.nan) for name in (*self.outputs, "violation")}
        out["violation"][:] = 1.0
        for (slow, facts), rows in groups.items():
            looked = self.looked(slow)
            if isinstance(looked, Looked):
                for name, column in self._answers(looked, facts, [filled[r] for r in rows]).items():
                    out[name][rows] = column
        return out

    def looked(self, slow: Slow) -> Looked | InputError:
        """The scenario with some keys set, looked up; an error about a plan as a whole is an answer, others raise."""
        if slow not in self._known:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            try:
                case, found = case_of(self._base.set(dict(slow)))
                self._known[slow] = Looked(case, found, Evaluator({}, cost_model), rate_of(found.scenario))
            except InputError as error:
                if error.key != "plan":
                    raise
                self._known[slow] = error
        return self._known[slow]

    @cached_property
    def _base(self) -> Scenario:
        """One chip and no replicas: the plan is a matter of columns."""
        plan: dict[str, Any] = {f"plan.{n}": 1 for n in DEGREES} | {
            "plan.chips": None,
            "plan.dp": None,
            "plan.sp": False,
        }
        return self.scenario.set({**plan, "vary": {}, "laws": {}})

    def _answers(self, looked: Looked, facts: tuple[str, ...], points: list[Point]) -> dict[str, Any]:
        """Outputs of points that share everything but columns."""
        columns, whole = self._columns(looked, points)
        columns |= {FACTS[name]: np.array([float(p[name]) for p in points]) for name in facts}
        has_batch = all(BATCH in p for p in points)
        loop, rate = (None, None) if has_batch else (loop_of(looked.found.scenario), looked.rate_per_s)
        return self._read(
            under_load(looked.evaluator, looked.case, columns, loop and loop[0], rate), points, whole, rate
        )

    def _columns(self, looked: Looked, points: list[Point]) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_]]:
        """(degrees and batch `[points]`, whether every degree comes out whole)."""
        own = self.scenario.plan
        stated = {name: 1.0 if (v := getattr(own, name)) is None else float(v) for name in DEGREES}
        columns = {n: np.array([float(p.get(f"plan.{n}", stated[n])) for p in points]) for n in DEGREES}
        chips = np.array([float(p.get("plan.chips", getattr(own, "chips", None) or np.nan)) for p in points])
        replica = columns["tp"] * columns["pp"] * columns["attention_dp"] * columns["cp"]
        columns["dp"] = np.where(np.isnan(chips), columns["dp"], chips / replica)
        whole = np.all([np.mod(columns[n], 1.0) == 0.0 for n in DEGREES], axis=0) & (columns["dp"] >= 1.0)
        columns |= {n: np.maximum(np.rint(columns[n]), 0.0 if n == "sp" else 1.0) for n in DEGREES}
        columns["batch"] = np.array([float(p.get(BATCH, looked.case.batch)) for p in points])
        return columns, whole

    def _read(
        self, table: ResultTable, points: list[Point], whole: NDArray[np.bool_], rate: float | None
    ) -> dict[str, Any]:
        reason = table["reason"]
        out: dict[str, Any] = {name: np.asarray(table[name], float) for name in (*OBJECTIVES, *MORE)}
        short = np.maximum(out["need_bytes"] / out["have_bytes"] - 1, 1e-6)
        violation = np.where(reason == Reason.DOES_NOT_FIT, short, np.where(reason == Reason.FEASIBLE, 0.0, 1.0))
        if rate is not None:
            late = np.maximum(rate / np.maximum(out["requests_per_s"], 1e-12) - 1, 1e-6)
            violation = np.where(reason == Reason.OVERLOADED, late, violation)
        out["violation"] = np.where(whole, violation, 1.0)
        for name, law in self._rules.items():
            if not is_field(name):
                told = ({k: v[i] for k, v in out.items()} for i in range(len(points)))
                out[name] = np.array([float(law.number(_Facts(p, self, o))) for p, o in zip(points, told, strict=True)])
        return out

    def ruled(self, point: Point) -> Point:
        """The point under the keys of the file, with what the laws set."""
        filled = {key_of(name): value for name, value in point.items()}
        for name, law in self._rules.items():
            if is_field(name):
                value = np.asarray(law(_Facts(filled, self)))
                filled[name] = whole_degree(name, value.item() if value.ndim == 0 else value)
        return filled

    def told(self, point: Point, values: Mapping[str, Any]) -> dict[str, Any]:
        """What every answer says beside its numbers: formats, stack, assumptions, notes, intervals of `values`."""
        looked = self.looked(slow_of(self.ruled(point)))
        if isinstance(looked, InputError):
            return common(None, str(looked))
        case, found = looked.case, looked.found
        assumed = tuple(f"{k}: {v}" for k, v in case.system.assumptions().items())
        return common(found, None, assumed, looked.evaluator.notes(case), values)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_known": {}}


class _Facts(dict[str, Any]):
    """What a law may name: parameters, outputs, then facts of the scenario's specs."""

    def __init__(self, point: Point, evaluator: ScenarioEvaluator, outputs: Mapping[str, float] | None = None) -> None:
        super().__init__({**(outputs or {}), **point})
        self.point, self.evaluator = dict(point), evaluator

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or self._find(str(name)) is not None

    def __missing__(self, name: str) -> Any:
        return self._find(name)

    def _find(self, name: str) -> Any:
        looked = self.evaluator.looked(slow_of({k: v for k, v in self.point.items() if k not in self.evaluator.laws}))
        if isinstance(looked, InputError):
            return None
        system, path = looked.case.system, name.removeprefix("hardware.")
        places: tuple[tuple[Any, str], ...] = ((looked.case, name), (looked.found.scenario, name))
        if path.partition(".")[0] in HARDWARE:
            places = ((system, path.replace("chip.memory.main.", f"chip.memory.{system.chip.main_tier}.", 1)),)
        for spec, where in places:
            try:
                found = read(spec, where)
            except InputError:
                continue
            if isinstance(found, int | float):
                return found
        return None


def slow_of(point: Mapping[str, Any]) -> Slow:
    """What of a point needs a scenario of its own."""
    return tuple((n, v) for n, v in point.items() if n not in PLAN and n not in FACTS and n != BATCH)


def whole_degree(name: str, value: Any) -> Any:
    """A law's value for a key that counts: whole where it comes out whole."""
    return int(value) if isinstance(value, float) and value.is_integer() and name == BATCH else value


def is_field(name: str) -> bool:
    """True for what a law sets in the question, rather than an output of its own."""
    return "." in name


def plain_text(scenario: Scenario) -> str:
    """The scenario without what does not decide a point's answer."""
    aims = {"file", "name", "title", "vary", "laws", "objective", "search", "notes", "seed"}
    return scenario.model_dump_json(exclude=aims)
