"""The cost model behind every calibrated stack and behind `datasheet`: laws and fits of operations, applied to a step.

Each operation asks `OperatorModel.predict` with the columns in its shape; what no table measured (normalisation,
sampling, the indexer, transfers, groups beyond a node) keeps the roofline and alpha-beta. Shapes that repeat inside one
call are evaluated once. No operation beats its roofline: kernels are measured with operands warm in L2, a step streams
its weights. Prefill on top of a cached past is t(past + new) - t(past), which ignores what the second
kernel's start-up costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.cost.base import OpCost
from simcore.cost.board_power import BoardPower
from simcore.cost.calibrated import OperatorModel
from simcore.cost.collective import collective_model, spans
from simcore.cost.collectives import AUTO
from simcore.cost.machine import Machine
from simcore.cost.power import linear_power_w
from simcore.cost.roofline import kernel_cost, network_cost
from simcore.cost.unpacking import NOTHING, Unpacking, beyond, lent_ratio, of_op
from simcore.kept.lazy import dataclass
from simcore.ops.op import Array, Column, Op, PlanColumns, repeats
from simcore.spec.formats import number_format

COLUMNS = {
    "gemm": ("m", "n", "k"),
    "attention_prefill": ("batch_size", "num_heads", "num_key_value_heads", "head_dim", "window_size"),
    "attention_decode": ("batch_size", "step", "num_heads", "num_key_value_heads", "head_dim", "window_size"),
    "mla_prefill": ("batch_size", "num_heads"),
    "mla_decode": ("batch_size", "step", "num_heads"),
    "moe": (
        "num_tokens",
        "hidden_size",
        "inter_size",
        "topk",
        "num_experts",
        "moe_tp_size",
        "moe_ep_size",
        "distribution",
    ),
}
SAME_WEIGHTS = {"mxfp4_weights": ("mxfp4_fp8",)}
"""formats of the same stored weights whose kernels a stack may choose (it converts activations on the fly)"""
SAME_EXPERTS = {"fp8": ("fp8_block", "bf16")}
"""experts in eight bits with one scale are never slower than with block scales or in sixteen bits: tables of vLLM on
Hopper hold untuned kernels, two to five times slower, where tuned ones of the same shape are 10 to 17 % faster than
bf16 (public tuning files of fused_moe, E=128 N=96 on H200)"""
CAP = {"gemm": (8e-6, 2.0), "moe": (20e-6, 2.5)}
"""(start-up seconds, times the roofline): no shipped kernel is slower for long. Some tables are: fp8-block matrices of
vLLM show 60 to 180 us at every small size, which is their host side and hidden under a graph. Not experts on Hopper:
servers are as slow as the tables there (gpt-oss-120b under TensorRT-LLM takes 70 to 120 us per layer at few tokens)."""
UNCAPPED = {"moe": "hopper"}
"""operation -> generation whose tables servers confirm; where no table answers the cap holds"""
OTHER_WORK = ("_eager", "_nongated")
"""endings of kernels that do other work: launched outside graphs, experts without a gate"""
STATE_STEPS = {
    "linear_attention_gdn": (("conv_prefill", "rule_prefill"), ("conv_decode", "rule_decode")),
    "mamba2": (("conv_prefill", "scan_prefill"), ("conv_decode",)),
}
"""kernels of a recurrent layer that add up, in prefill and in decode; Mamba's decode scan was never measured and keeps
the roofline"""
CUSTOM_MOST_RANKS = 8
CUSTOM_MOST_BYTES = 128 * 2**20
"""one-node all-reduce kernels of the stacks serve messages up to here (vLLM's custom_all_reduce)"""


PEAKS = ("matrix_flop_per_s", "expert_flop_per_s", "attention_flop_per_s", "bf16_flop_per_s")


@dataclass(frozen=True)
class Derived:
    """Data-sheet laws of the chip that was measured and of the chip asked about."""

    before: OperatorModel
    after: OperatorModel
    base: Machine
    """the machine asked about, with the measured chip's speeds"""


class Alike:
    """Equal rows among columns of one step, as `repeats` finds them.

    Most operations of a step depend on the same few columns (tokens, tp), so the rows that were alike for one of them
    are looked at first for the next.
    """

    def __init__(self) -> None:
        self.known: list[Rows] = []

    def __call__(self, columns: list[Array]) -> Rows:
        """(rows to keep, where each row went)."""
        for rows in self.known:
            if all(_is_alike(column, rows) for column in columns):
                return rows
        found = repeats(columns)
        self.known = sorted([*self.known, found], key=lambda rows: len(rows[0]))
        return found


def _is_alike(column: Array, rows: Rows) -> bool:
    """Whether a column has one value for each kept row; a few are asked first."""
    first, back = rows
    if len(back) != len(column):
        return False
    some = first[back[:SOME]]
    return bool(np.array_equal(column[some], column[:SOME]) and np.array_equal(column[first][back], column))


SOME = 256
Rows = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class Asked:
    """What all operations of a step have in common."""

    derived: Derived | None
    alike: Alike


@dataclass(frozen=True)
class OperatorCost:
    """Costs from an `OperatorModel`; `name` is the stack."""

    name: str
    model: OperatorModel
    power: BoardPower | None = None
    distribution: str = "balanced"
    """how tokens fall on experts, where a table measured several ways (`balanced`, `power_law_1.01`, ...)"""

    @property
    def note(self) -> str:
        """What a reader must know of a named stack on a chip that no table of the stack describes; else empty."""
        if self.name == self.model.datasheet.stack or any(a.stack == self.name for a in self.model.artefacts):
            return ""
        fit, _ = self.model.find("gemm", "bf16")
        kin = " and what its siblings' kernels have in common" if fit.is_inherited else ""
        return f"{self.model.chip.name} has no operator tables of {self.name}: they follow its data sheet{kin}"

    def board_power_w(self, machine: Machine, compute_utilisation: Column, memory_utilisation: Column) -> Column:
        """The law of whole steps (`simcore.cost.board_power`), not below idle."""
        if self.power is None:
            return linear_power_w(machine, compute_utilisation, memory_utilisation)
        share = self.power.share(compute_utilisation, memory_utilisation)
        return np.maximum(share * machine.tdp_w, machine.idle_w)

    def costs(self, ops: list[Op], machine: Machine, plan: PlanColumns, graphs: bool) -> list[OpCost]:
        """Raises ValueError for a machine whose peak, memory or cache differ between plans: cost each by itself."""
        derived, alike = self._derived(machine), Alike()
        return [self._one(op, machine, plan, graphs, Asked(derived, alike)) for op in ops]

    def _derived(self, machine: Machine) -> Derived | None:
        """What-if: a machine that is not the chip of the fits scales them by the data-sheet laws of both."""
        mine = (machine.bf16_flop_per_s, machine.memory_bytes_per_s, machine.cache_bytes, machine.cache_bytes_per_s)
        if any(np.ndim(value) for value in mine):
            raise ValueError("operator laws need one machine for all plans")
        facts = self.model.chip
        fast = max(facts.l2_bytes_per_s, facts.memory_bytes_per_s)
        theirs = (facts.peak("bf16"), facts.memory_bytes_per_s, facts.l2_bytes, fast)
        if np.allclose(mine, theirs, rtol=1e-6):  # type: ignore[arg-type]
            return None
        grown = float(np.max(mine[0])) / theirs[0]
        peak = {name: value * grown for name, value in facts.peak_flop_per_s.items()}
        changed = replace(
            facts,
            peak_flop_per_s=peak,
            memory_bytes_per_s=float(np.max(mine[1])),
            l2_bytes=float(np.max(mine[2])),
            l2_bytes_per_s=float(np.max(mine[3])),
        )
        laws = [OperatorModel(chip, "datasheet", (), self.model.datasheet) for chip in (facts, changed)]
        slower = {name: getattr(machine, name) / grown for name in PEAKS}
        memory = {"memory_bytes_per_s": theirs[1], "cache_bytes": theirs[2], "cache_bytes_per_s": theirs[3]}
        return Derived(laws[0], laws[1], machine.with_fields(**slower, **memory))

    def _one(self, op: Op, machine: Machine, plan: PlanColumns, graphs: bool, asked: Asked) -> OpCost:
        derived, alike = asked.derived, asked.alike
        if op.role == "none":
            return self._network(op, machine, plan, alike)
        bound = kernel_cost(op, machine, graphs)
        if op.kind not in COLUMNS and op.kind not in STATE_STEPS:
            return bound
        if machine.pim is not None and op.kind in ("attention_decode", "mla_decode"):
            return bound
        time_s = np.maximum(self._measured(op, machine, self.model, alike), 0.0)
        kernels: float = op.kernels
        if machine.unpacking is not NOTHING and (found := of_op(op, machine)) is not None:
            time_s, kernels = self._unpacked(op, machine, found, time_s)
        if op.kind in CAP and not self._is_confirmed(op, machine):
            most_s, ratio = CAP[op.kind]
            roof = bound if derived is None else kernel_cost(op, derived.base, graphs)
            time_s = np.minimum(time_s, most_s + ratio * np.maximum(roof.compute_s, roof.memory_s))
        if derived is not None:
            before, after = (self._measured(op, machine, model, alike) for model in (derived.before, derived.after))
            time_s = time_s * np.where(before > 0, after / np.maximum(before, 1e-12), 1.0)
        time_s = np.maximum(time_s, np.maximum(bound.compute_s, bound.memory_s))
        late = 0.0 if graphs else np.maximum(kernels * machine.kernel_launch_s - time_s, 0.0)
        by_compute = np.asarray(bound.compute_s >= bound.memory_s)
        if by_compute.all():
            return OpCost(time_s, 0.0, 0.0, late)
        if not by_compute.any():
            return OpCost(0.0, time_s, 0.0, late)
        return OpCost(np.where(by_compute, time_s, 0.0), np.where(by_compute, 0.0, time_s), 0.0, late)

    def _unpacked(self, op: Op, machine: Machine, found: Unpacking, time_s: Array) -> tuple[Array, float]:
        """(seconds, kernels) with what the format takes beyond; what is lent is scaled by the rooflines."""
        if found.format.lent:
            time_s = time_s * lent_ratio(op, machine, found)
        more = beyond(op, machine, found)
        busy_s = np.maximum(time_s, more.unpack_s) + more.outlier_s + more.passes_s
        return np.asarray(busy_s + more.kernels * machine.graph_kernel_s), op.kernels + more.kernels

    def _is_confirmed(self, op: Op, machine: Machine) -> bool:
        """Whether servers were as slow as the table that answers; the data sheet's laws answer from no table."""
        if UNCAPPED.get(op.kind) != self.model.chip.generation:
            return False
        return self.model.find(op.kind, kernel_name(number_of(op, machine)))[1] is not None

    def _measured(self, op: Op, machine: Machine, model: OperatorModel, alike: Alike) -> Array:
        """Seconds of one execution, [plans]."""
        number, kv = number_of(op, machine), machine.formats[2]
        if op.kind in STATE_STEPS:
            return state_s(model, op, alike)
        columns: dict[str, Any] = {name: op.shape[name] for name in COLUMNS[op.kind]}
        if op.kind == "moe":
            columns["distribution"] = self.distribution
        predict = predictor(model, op.kind, number, kv, alike)
        if op.kind in ("attention_prefill", "mla_prefill"):
            return prefill_s(predict, columns, op.shape)
        return decode_s(predict, columns) if op.kind in ("attention_decode", "mla_decode") else predict(columns)

    def _network(self, op: Op, machine: Machine, plan: PlanColumns, alike: Alike) -> OpCost:
        """Seconds of a collective or transfer, every distinct row once where the plans share one set of links."""
        links = (
            *machine.level_sizes,
            *machine.level_bytes_per_s,
            *machine.level_latency_s,
            machine.node_chips,
            machine.has_peers,
        )
        columns: dict[str, Any] = {"group": op.group, "stride": op.stride, "message_bytes": op.shape["message_bytes"]}
        varying = {name: np.asarray(value, float) for name, value in columns.items() if np.size(value) > 1}
        if not varying or any(np.size(one) > 1 for one in links):
            return OpCost(0.0, 0.0, self._network_s(op, machine, plan, alike), 0.0)
        first, back = alike(list(varying.values()))
        few = columns | {name: value[first] for name, value in varying.items()}
        shape = op.shape | {"message_bytes": few["message_bytes"]}
        alone = replace(op, group=few["group"], stride=few["stride"], shape=shape)
        each_s = self._network_s(alone, machine, replace(plan, memo={}), Alike())
        return OpCost(0.0, 0.0, np.broadcast_to(each_s, first.shape)[back], 0.0)

    def _network_s(self, op: Op, machine: Machine, plan: PlanColumns, alike: Alike) -> Column:
        """Measured collectives inside a node; alpha-beta across nodes, through a host, for transfers and one rank."""
        if op.kind == "transfer" or not machine.level_sizes:
            return network_cost(op, machine, plan).network_s
        ranks = np.asarray(op.group, float)
        here = (ranks > 1) & (ranks * op.stride <= machine.level_sizes[0]) & (np.asarray(machine.has_peers) > 0)
        if not np.any(here):
            return network_cost(op, machine, plan).network_s
        measured = self._collective(op, np.where(ranks > 1, ranks, 2.0), alike) * named_ratio(op, machine)
        beyond = np.any((ranks > 1) & ~here)
        rest_s = network_cost(op, machine, plan).network_s if beyond else 0.0
        return np.where(here, measured, rest_s)

    def _collective(self, op: Op, ranks: Array, alike: Alike) -> Array:
        """The faster of the library and, where it applies, the stack's own all-reduce."""
        size = op.shape["message_bytes"]
        name = {"all_to_all": "alltoall"}.get(str(op.shape["op"]), str(op.shape["op"]))
        columns: dict[str, Any] = {"message_bytes": np.maximum(size, 1.0), "ranks": ranks}
        return distinct(columns, lambda c: self._links_s(name, c), alike)

    def _links_s(self, name: str, columns: dict[str, Any]) -> Array:
        time_s = self.model.predict("collective", {**columns, "op": name}).time_s
        if name != "all_reduce":
            return time_s
        own = self.model.predict("allreduce_custom", columns).time_s
        applies = (columns["ranks"] <= CUSTOM_MOST_RANKS) & (np.asarray(columns["message_bytes"]) <= CUSTOM_MOST_BYTES)
        return np.where(applies, np.minimum(own, time_s), time_s)


def named_ratio(op: Op, machine: Machine) -> Column:
    """What a named algorithm takes over the one that a library would choose, by alpha-beta; 1 where none is named."""
    if machine.collective == AUTO:
        return 1.0
    at, size, what = spans(machine, op.group, op.stride), op.shape["message_bytes"], str(op.shape["op"])
    assert not isinstance(size, str)
    named, own = (collective_model(at, name).time_s(what, size) for name in (machine.collective, AUTO))
    return np.where(own > 0, named / np.maximum(own, 1e-30), 1.0)


def number_of(op: Op, machine: Machine) -> str:
    """The format that an operation multiplies in: the router's and whatever holds no weights is bf16."""
    weights, experts, _ = machine.formats
    return {"expert": experts, "matrix": weights}.get(op.role, "bf16") if op.name != "router" else "bf16"


def predictor(model: OperatorModel, kind: str, number: str, kv: str, alike: Alike) -> Callable[[dict[str, Any]], Array]:
    """columns -> seconds of one kind of operation in plan formats."""
    kernel, kv_kernel = kernel_name(number), kernel_name(kv)

    def predict(columns: dict[str, Any]) -> Array:
        return distinct(columns, lambda c: fastest_s(model, kind, c, kernel, kv_kernel), alike)

    return predict


def fastest_s(model: OperatorModel, kind: str, columns: dict[str, Any], number: str, kv_number: str) -> Array:
    """Seconds of the fastest measured kernel, as a stack's own tuning picks it; outside all boxes the usual one."""
    first = model.predict(kind, columns, number, kv_number)
    if kind not in CAP:
        return first.time_s
    best = np.where(first.extrapolated, np.inf, first.time_s)
    for format_name, kernel in other_kernels(model, kind, number):
        other = model.predict(kind, columns, format_name, kv_number, kernel)
        unfit = other.extrapolated if format_name == number else np.zeros_like(other.extrapolated)
        best = np.minimum(best, np.where(unfit, np.inf, other.time_s))
    return np.where(np.isfinite(best), best, first.time_s)


def other_kernels(model: OperatorModel, kind: str, number: str) -> list[tuple[str, str]]:
    """(format, kernel) of every fit that computes the same, the usual one left out."""
    fit, artefact = model.find(kind, number)
    if artefact is None:
        return []
    same = SAME_EXPERTS if kind == "moe" else {}
    formats = (number, *SAME_WEIGHTS.get(number, ()), *same.get(number, ()))
    found = [(f, k) for f, _, k in artefact.kernels(kind) if f in formats and not k.endswith(OTHER_WORK)]
    return [pair for pair in found if pair != (fit.format, fit.kernel)]


def state_s(model: OperatorModel, op: Op, alike: Alike) -> Array:
    """A recurrent layer: the sum of its kernels over prefilling and decoding sequences, [plans]."""
    shape = {k: v for k, v in op.shape.items() if k not in ("prefills", "prefill_tokens", "decodes")}
    found: Array = np.zeros(1)
    prefill, decode = STATE_STEPS[op.kind]
    for kernels, sequences, tokens in (
        (prefill, op.shape["prefills"], op.shape["prefill_tokens"]),
        (decode, op.shape["decodes"], 1.0),
    ):
        count = np.asarray(sequences, float)
        if not np.any(count > 0):
            continue
        columns = {**shape, "batch_size": np.maximum(count, 1.0), "seq_len": np.maximum(tokens, 1.0)}
        for kernel in kernels:
            one = distinct({**columns, "step": kernel}, lambda c: model.predict(op.kind, c).time_s, alike)
            found = found + np.where(count > 0, one, 0.0)
    return found


def kernel_name(number: str) -> str:
    """The kernel format of a plan's format."""
    return number_format(number).kernel


def prefill_s(predict: Callable[[dict[str, Any]], Array], columns: dict[str, Any], shape: dict[str, Any]) -> Array:
    """Prefill of `isl` new tokens after `past` cached ones; nothing where nobody prefills."""
    new, past = np.asarray(shape["isl"], float), np.asarray(shape["past"], float)
    busy = np.asarray(shape["batch_size"], float) > 0
    columns = {**columns, "batch_size": np.where(busy, shape["batch_size"], 1.0)}
    time_s = predict({**columns, "isl": np.maximum(new + past, 1.0)})
    if np.any(past > 0):
        time_s = time_s - np.where(past > 0, predict({**columns, "isl": np.maximum(past, 1.0)}), 0.0)
    return np.where(busy, time_s, 0.0)


def decode_s(predict: Callable[[dict[str, Any]], Array], columns: dict[str, Any]) -> Array:
    """One token of each of `batch_size` sequences; nothing where nobody decodes."""
    busy = np.asarray(columns["batch_size"], float) > 0
    if np.all(busy):
        return predict(columns)
    return np.where(busy, predict({**columns, "batch_size": np.where(busy, columns["batch_size"], 1.0)}), 0.0)


def distinct(columns: dict[str, Any], evaluate: Callable[[dict[str, Any]], Array], alike: Alike) -> Array:
    """`evaluate(columns)` with every distinct row evaluated once. [plans] or [1] for scalars."""
    varying = {k: np.asarray(v, float) for k, v in columns.items() if not isinstance(v, str) and np.size(v) > 1}
    if not varying:
        return evaluate(columns)
    first, back = alike(list(varying.values()))
    if len(first) > 0.7 * len(back):
        return evaluate(columns)
    fixed = {k: v for k, v in columns.items() if k not in varying}
    return evaluate({**fixed, **{k: v[first] for k, v in varying.items()}})[back]
