"""The one way for planners to ask: a base scenario and columns in, a `ResultTable` out, one row per candidate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.homes import Homes, housed
from scenarios import stacks
from simcore.cost.base import CostModel
from simcore.cost.loading import Objection, in_words, objections, refused
from simcore.cost.machine import Machine, computes_natively, machine_of, with_formats
from simcore.cost.residency import tiers_in_use
from simcore.engine import analytic, phases
from simcore.errors import InputError, suggest
from simcore.kept.lazy import dataclass
from simcore.ops.layer_formats import named
from simcore.ops.op import DEGREES, Column, PlanColumns, plan_columns
from simcore.result import DoesNotFit, Infeasible, Reason, Result, ResultTable, Unsupported
from simcore.spec.case import Case
from simcore.spec.hardware import Chip
from simcore.spec.model import ModelSpec
from simcore.spec.scenario import Scenario
from simcore.spec.system import System
from simcore.step.price import price

LOAD_COLUMNS = ("batch", "busy_ratio")
FORMAT_COLUMNS = ("weights", "experts", "activations", "kv")
POLICY_COLUMNS = (
    "memory_fraction",
    "graphs",
    "kv_tier",
    "weight_tier",
    "pim_attention",
    "sub_batches",
    "imbalance_ratio",
)
MACHINE_COLUMNS = {
    "chip.memory.main.read_bandwidth": "memory_bytes_per_s",
    "chip.memory.main.capacity": "memory_bytes",
    "chip.power.tdp": "tdp_w",
    "chip.power.idle": "idle_w",
    "chip.issue.kernel_launch": "kernel_launch_s",
    "chip.issue.graph_kernel": "graph_kernel_s",
    "chip.money.purchase": "purchase_usd",
    "chip.money.rental": "rental_usd_per_hour",
}
"""numeric facts of the chip that may vary by row; values in SI"""
SPEED_COLUMNS = ("chip.memory.main.read_bandwidth",)
CHUNK = 524_288


@dataclass(frozen=True)
class Evaluator:
    """`evaluator(base, columns)`: steady-state answers for many candidates around one base scenario.

    `systems` are the values that a `system` column may name; `cost_model(chip, stack)` resolves a stack.
    """

    systems: Mapping[str, System]
    cost_model: Callable[[Chip, Any], CostModel]
    chunk: int = CHUNK
    share_steps: bool = True
    _machines: dict[Any, tuple[Machine, System]] = field(default_factory=dict, compare=False, repr=False)
    _homes: Homes = field(default_factory=dict, compare=False, repr=False)

    def __call__(self, base: Case | Scenario, columns: Mapping[str, NDArray[Any]]) -> ResultTable:
        """One row per candidate around a scenario (or one whose names are looked up), in order.

        Columns are degrees (tp, pp, dp, attention_dp, ep, cp, sp), batch, busy_ratio (share of the time in which the
        batch is there), formats (weights, experts, activations, kv), `system`, policy fields, and numeric chip facts
        such as `chip.memory.main.read_bandwidth` in SI. Raises InputError for an unknown column.
        """
        base = as_case(base)
        _check_columns(columns)
        rows = max((len(c) for c in columns.values()), default=1)
        out: dict[str, NDArray[Any]] = {}
        assumptions: dict[str, str] = {}
        notes: dict[str, None] = {}
        for picks, scenario, told in housed(_groups(base, columns, self.systems, rows), columns, rows, self._homes):
            numeric = {
                n: np.asarray(c) if picks is None else np.asarray(c)[picks] for n, c in columns.items() if _numeric(n)
            }
            count = rows if picks is None else len(picks)
            for start in range(0, count, self.chunk):
                part = slice(start, min(start + self.chunk, count))
                answer = self._group(scenario, {n: _floats(c, part) for n, c in numeric.items()}, part.stop - start)
                if part.stop - start == rows:
                    out = answer
                    continue
                for name, values in answer.items():
                    if name not in out:
                        out[name] = np.empty(rows, values.dtype)
                    out[name][part if picks is None else picks[part]] = values
            assumptions |= scenario.system.assumptions()
            notes |= dict.fromkeys((*self.notes(scenario), *told))
        return ResultTable({**{k: np.asarray(v) for k, v in columns.items()}, **out}, assumptions, tuple(notes))

    def _group(self, scenario: Case, numeric: Mapping[str, Column], rows: int) -> dict[str, NDArray[Any]]:
        """Rows that share system, formats and policy."""
        machine = self.machine(scenario)
        changes = {
            MACHINE_COLUMNS[n]: c * reported(n, scenario.system) + beyond_chip(n, machine, scenario.system)
            for n, c in numeric.items()
            if n in MACHINE_COLUMNS
        }
        if changes:
            machine = machine.with_fields(**changes)
        plan = plan_columns(scenario.plan, numeric)
        batch = np.broadcast_to(numeric.get("batch", float(scenario.batch)), rows)
        found = analytic.evaluate(self.setting(scenario), machine, plan, batch, numeric.get("busy_ratio", 1.0))
        reason = np.where(plan.chips > scenario.system.max_chips, np.int8(Reason.TOO_MANY_CHIPS), found["reason"])
        loader = stacks.documented(scenario.stack).loader
        good = valid_degrees(scenario.model, plan) & ~refused(objections_to(scenario, plan), loader)
        found["reason"] = np.where(good, reason, np.int8(Reason.UNSUPPORTED))
        bad = found["reason"] != Reason.FEASIBLE
        for name in ("throughput_tokens_per_s", "ttft_s", "tpot_s", "usd_per_million_tokens", "energy_j_per_token"):
            found[name][bad] = np.nan
        return found

    def machine(self, scenario: Case) -> Machine:
        """The system's facts for the scenario's formats; the cache holds the system, whose identity is the key."""
        weights, experts, activations, kv = scenario.plan.formats()
        others, collective = named(scenario.model), scenario.plan.collective
        key = (id(scenario.system), weights, experts, activations, kv, repr(scenario.policy), others, collective)
        if key not in self._machines:
            try:
                found = machine_of(scenario.system, weights, experts, activations, scenario.policy, kv)
                found = with_formats(found, scenario.system.chip, others, collective)
            except KeyError as error:
                raise InputError(str(error.args[0]), key="residency") from None
            self._machines[key] = (found, scenario.system)
        return self._machines[key][0]

    def setting(self, scenario: Case) -> phases.Setting:
        cost_model = self.cost_model(scenario.system.chip, scenario.stack)
        other = scenario.expert_stack
        return phases.Setting(
            scenario.model,
            scenario.demand,
            scenario.policy,
            scenario.economics,
            cost_model,
            scenario.quantile,
            stacks.documented(scenario.stack).memory,
            stacks.served(scenario.stack) if scenario.served is None else scenario.served,
            None if other in (None, scenario.stack) else self.cost_model(scenario.system.chip, str(other)),
            scenario.waves,
            self.share_steps,
        )

    def notes(self, scenario: Case) -> tuple[str, ...]:
        """What a reader must know about how formats map to this chip, and where its operators' times come from."""
        chip = scenario.system.chip
        unpacked = (
            f"{chip.name} has no {name} matrix unit: {name} weights are unpacked and multiplied in bf16"
            for name in dict.fromkeys(scenario.plan.formats()[:2])
            if not computes_natively(chip, name)
        )
        source = getattr(self.cost_model(chip, scenario.stack), "note", "")
        return (*unpacked, *([source] if source else []))

    def one(self, question: Case | Scenario) -> Result:
        """One scenario with its breakdown by operation; infeasible is a result with a typed reason."""
        scenario = as_case(question)
        problem = scenario.plan.problem(scenario.model) or too_many(scenario)
        notes = self.notes(scenario)
        if problem is None:
            found = objections_to(scenario, plan_columns(scenario.plan, {}))
            problem, more = in_words(
                found, stacks.documented(scenario.stack).loader, stacks.documented(scenario.stack).name
            )
            notes = (*notes, *more)
        if problem:
            return Result({}, Unsupported(problem), assumptions=scenario.system.assumptions(), notes=notes)
        degrees = {name: np.array([float(getattr(scenario.plan, name))]) for name in DEGREES}
        table = self._group(scenario, degrees, 1)
        values = {k: v[0].item() for k, v in table.items()}
        reason: Infeasible | None = None
        if values["reason"] == Reason.DOES_NOT_FIT:
            reason = self._too_small(scenario, values)
        return Result(values, reason, self.operations(scenario), scenario.system.assumptions(), notes)

    def _too_small(self, scenario: Case, values: Mapping[str, float]) -> DoesNotFit:
        """The tier that a plan does not fit: one that weights live in, KV's, else the main one."""
        setting, machine = self.setting(scenario), self.machine(scenario)
        plan = plan_columns(scenario.plan, {})
        for tier, (need, have) in tiers_in_use(machine, analytic.sizes(setting, machine, plan, 1.0)).items():
            if float(np.max(need)) > float(np.max(have)):
                return DoesNotFit(tier, float(np.max(need)), float(np.max(have)))
        if machine.tiers[2] != "main" and values["need_bytes"] <= values["have_bytes"]:
            return DoesNotFit(machine.tiers[2], values["kv_bytes"], float(np.max(machine.kv_tier_bytes)))
        return DoesNotFit(scenario.system.chip.main_tier, values["need_bytes"], values["have_bytes"])

    def operations(self, scenario: Case) -> Any:
        """Breakdown of one request's prefill and one decode step."""
        setting, machine = self.setting(scenario), self.machine(scenario)
        plan = plan_columns(scenario.plan, {})
        physics = phases.physics_of(setting, machine)
        lanes = min(scenario.batch, scenario.plan.attention_dp * scenario.plan.pp)
        chunks, prefill = phases.prompt_steps(setting, setting.demand.input.mean_tokens)
        decode = phases.decode_step(float(np.ceil(scenario.batch / lanes)), setting.demand)
        return tuple(
            price(physics, plan, prefill, False).rows("prefill", chunks)
            + price(physics, plan, decode, setting.policy.graphs).rows("decode")
        )


def as_case(question: Case | Scenario) -> Case:
    """A scenario with its names looked up."""
    if isinstance(question, Case):
        return question
    from scenarios.estimate import case_of

    return case_of(question)[0]


def reported(name: str, system: System) -> float:
    """What software sees of a fact of the chip over what its data sheet prints."""
    chip = system.chip
    return chip.memory[chip.main_tier].reported_ratio if name == "chip.memory.main.capacity" else 1.0


def beyond_chip(name: str, machine: Machine, system: System) -> float:
    """What the node adds per chip to a fact of the chip: its share of the price; nothing for the others."""
    own = {
        "chip.money.purchase": system.chip.money.purchase_usd,
        "chip.money.rental": system.chip.money.rental_usd_per_hour,
    }
    price = own.get(name)
    return 0.0 if price is None else float(np.max(getattr(machine, MACHINE_COLUMNS[name]))) - price


def valid_degrees(model: ModelSpec, plan: PlanColumns) -> NDArray[np.bool_]:
    """tp divides the heads, pp at most the layers, ep divides ranks and experts; a dense model has ep 1."""
    ranks = plan.tp * plan.attention_dp * plan.cp
    good = divides(plan.tp, model.min_heads) & (np.asarray(plan.pp) <= model.layer_count)
    if model.is_moe:
        return np.asarray(good & divides(plan.ep, ranks) & divides(plan.ep, model.experts))
    return np.asarray(good & (np.asarray(plan.ep) == 1) & (np.asarray(plan.attention_dp) == 1))


def divides(part: Column, whole: Column) -> NDArray[np.bool_]:
    """Whether whole numbers below 2^52 divide others; a third of the cost of `%`."""
    times = np.asarray(whole / part)
    return np.asarray(times == np.floor(times))


def objections_to(scenario: Case, plan: PlanColumns) -> list[Objection]:
    """What servers object to in plans of a scenario."""
    demand = scenario.demand
    context = demand.input.mean_tokens + demand.output.mean_tokens
    return objections(scenario.model, plan, scenario.plan.formats()[:2], context)


def too_many(scenario: Case) -> str | None:
    have = scenario.system.max_chips
    if scenario.plan.chips > have:
        return f"the plan needs {scenario.plan.chips} chips, {scenario.system.name} has {have}"
    return None


def _floats(column: NDArray[Any], part: slice) -> Column:
    """Some rows of a column as floats; one value that stands for all of them (a stride of 0) stays one."""
    if column.strides == (0,) and len(column) > 1:
        return float(column[0])
    return column[part].astype(float, copy=False)


def _numeric(name: str) -> bool:
    """Columns that one array evaluation may vary; chip speed is not among them, because operator laws are per chip."""
    return name in DEGREES or name in LOAD_COLUMNS or (name in MACHINE_COLUMNS and name not in SPEED_COLUMNS)


def _check_columns(columns: Mapping[str, Any]) -> None:
    known = [*DEGREES, *LOAD_COLUMNS, "system", *FORMAT_COLUMNS, *POLICY_COLUMNS, *MACHINE_COLUMNS]
    for name in columns:
        if name not in known:
            raise InputError(f"unknown column {name!r}", fix=suggest(name, known))
    lengths = {len(c) for c in columns.values()}
    if len(lengths) > 1:
        raise InputError(f"columns differ in length: {sorted(lengths)}", fix="give every candidate every column")


def _groups(
    base: Case, columns: Mapping[str, NDArray[Any]], systems: Mapping[str, System], rows: int
) -> Iterator[tuple[NDArray[np.intp] | None, Case]]:
    """Row numbers (None: all) and scenario of each combination of the columns that cannot vary inside one array
    evaluation."""
    names = [name for name in columns if not _numeric(name)]
    if not names:
        yield None, base
        return
    codes = np.zeros(rows, np.int64)
    levels = []
    for name in names:
        values, index = np.unique(np.asarray(columns[name]), return_inverse=True)
        codes = codes * len(values) + index
        levels.append(values)
    for code in np.unique(codes):
        picks = np.flatnonzero(codes == code)
        row = {name: np.asarray(columns[name])[picks[0]].item() for name in names}
        yield picks, _with(base, row, systems)


def _with(base: Case, row: Mapping[str, Any], systems: Mapping[str, System]) -> Case:
    changes: dict[str, Any] = {}
    plan = {k: v for k, v in row.items() if k in FORMAT_COLUMNS}
    policy = {k: v for k, v in row.items() if k in POLICY_COLUMNS}
    if plan:
        changes["plan"] = base.plan.replace(**plan)
    if policy:
        changes["policy"] = base.policy.replace(**policy)
    speeds = {k: v for k, v in row.items() if k in SPEED_COLUMNS}
    if "system" in row:
        if row["system"] not in systems:
            raise InputError(f"unknown system {row['system']!r}", fix=suggest(row["system"], systems))
        changes["system"] = systems[row["system"]]
    if speeds:
        changes["system"] = with_bandwidth(changes.get("system", base.system), speeds[SPEED_COLUMNS[0]])
    return base.model_copy(update=changes)


def with_bandwidth(system: System, read_bytes_per_s: float) -> System:
    """The system with another bandwidth of the chip's main memory."""
    chip = system.chip
    tier = chip.memory[chip.main_tier].replace(read_bytes_per_s=float(read_bytes_per_s))
    return system.replace(chip=chip.replace(memory={**chip.memory, chip.main_tier: tier}))
