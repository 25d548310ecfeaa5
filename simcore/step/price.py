"""The one price of a step: operations and their costs added up, arrays over plans.

`price(physics, plan, step, graphs)` lowers the model, asks the cost model and lets the server's effects change what it
changes. Every engine reads its answer: the analytic one at the steps it needs, the event engine on the knots of its
tables (`simcore.step.sample`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field, replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from simcore.cost.base import Bound, CostModel, OpCost
from simcore.cost.in_formats import costs_in_formats
from simcore.cost.kernel_power import CLOCKED_SHARE
from simcore.cost.machine import Machine
from simcore.cost.roofline import peak_of
from simcore.kept.lazy import dataclass
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.ops.transformer import lower
from simcore.result import OperationRow
from simcore.spec.formats import number_format
from simcore.spec.model import ModelSpec
from simcore.step.overlap import Overlap, micro_batch, overlapped_s
from simcore.step.served import NOTHING, Changes, Served, Work, changes, expert_tokens
from simcore.step.stages import stage_imbalance
from simcore.step.streams import kept_ratio, streamed

MEMORY_SIDE = ("attention_decode", "mla_decode")
"""operations that a PIM unit may take over"""
ATTENTION = ("attention_prefill", "attention_decode", "mla_prefill", "mla_decode", "linear_attention_gdn", "mamba2")
MATRIX_ROLES = ("matrix", "expert", "attention")
HEAD = ("lm_head", "sampling", "final_norm", "all_gather_logits")
"""what is done once per sequence that needs a token, the gathering of its logits included"""

STREAM = "weight_stream"
HIDDEN = "hidden"
DENSE = ("matrix", "expert", "elementwise", "launch")
OVERLAPPING = (*DENSE, "attention", "communication")
"""parts of a step that micro-batches repeat; heads and the host's own time come once"""
Part = Literal[
    "matrix", "expert", "elementwise", "attention", "head", "communication", "launch", "host", "stream", "hidden"
]


def part_of(op: Op) -> Part:
    """Where an operation's time belongs: what it says, else by its kind."""
    if op.part:
        return cast(Part, op.part)
    if op.name in HEAD:
        return "head"
    if op.role == "none":
        return "communication"
    if op.kind in ATTENTION:
        return "attention"
    kinds: dict[str, Part] = {"gemm": "matrix", "moe": "expert"}
    return kinds.get(op.kind, "elementwise")


@dataclass(frozen=True)
class Physics:
    """What turns a step into seconds."""

    model: ModelSpec
    machine: Machine
    cost_model: CostModel
    imbalance_ratio: Column = 1.0
    """busiest expert rank over the mean"""
    served: Served = NOTHING
    """what the stack adds"""
    expert_cost: CostModel | None = None
    """of the experts, where a server runs another stack's kernels; None: the cost model's"""
    small_kernel_s: float = 0.0
    """least time of a norm, rotation or activation, launch included: under a graph the roofline says less"""
    clock_ratio: float = 1.0
    """over the top clock: compute takes 1 / ratio as long, memory as long until what feeds it becomes slower"""
    overlap: Overlap | None = None
    """micro-batches beside each other; None: one operation after the other"""


@dataclass(frozen=True)
class StepTotal:
    """A step's time by what bounds it, and the work behind it, per chip, [plans]."""

    compute_s: Column
    memory_s: Column
    network_s: Column
    launch_s: Column
    flop: Column
    moved_bytes: Column
    peak_s: Column
    """the matrix unit at the peak of each operation's own format"""

    @property
    def time_s(self) -> Column:
        """Sum of the parts."""
        return self.compute_s + self.memory_s + self.network_s + self.launch_s

    @property
    def bound(self) -> NDArray[np.intp]:
        """Code of `Bound` with the largest share."""
        shares = np.broadcast_arrays(self.compute_s, self.memory_s, self.network_s, self.launch_s)
        return np.asarray(np.argmax(np.stack(shares), axis=0))


@dataclass(frozen=True)
class Extra:
    """Seconds of a step that belong to no operation."""

    name: str
    part: Part
    time_s: Column


def added(total: Column, part: Column) -> Column:
    """`total` + `part`, in the memory of `total`, a sum of the caller's own, where it has the shape."""
    if isinstance(total, np.ndarray) and np.broadcast_shapes(total.shape, np.shape(part)) == total.shape:
        total += part
        return total
    return total + part


@dataclass(frozen=True)
class Priced:
    """A priced step: its operations with their costs, and what the server changed. Nothing is added up until asked."""

    ops: tuple[Op, ...]
    costs: tuple[OpCost, ...]
    physics: Physics
    pace: Column
    """the slowest stage over the mean of a pipeline whose layers do not divide evenly"""
    ratio: dict[str, Column] = field(default_factory=dict)
    """by part, of work and launches"""
    extras: tuple[Extra, ...] = ()

    @property
    def pairs(self) -> Iterator[tuple[Op, OpCost]]:
        """Operations with their costs."""
        return zip(self.ops, self.costs, strict=True)

    def only(self, wanted: Callable[[Op], bool]) -> Priced:
        """Some of the operations, without extras."""
        kept = [(op, cost) for op, cost in self.pairs if wanted(op)]
        return replace(self, ops=tuple(o for o, _ in kept), costs=tuple(c for _, c in kept), extras=())

    def _each(self) -> Iterator[tuple[Op, OpCost, Part, Column]]:
        """(operation, cost, part, executions that count)."""
        for op, cost in self.pairs:
            part = part_of(op)
            ratio = None if op.role == "none" else self.ratio.get(part)
            yield op, cost, part, op.count if ratio is None else op.count * ratio

    def _busy(self, op: Op, count: Column) -> Column:
        return count * self.physics.imbalance_ratio if op.kind == "moe" else count

    def _work_s(self, op: Op, cost: OpCost, clocked: bool = True) -> Column:
        clock = self.physics.clock_ratio if clocked else 1.0
        slow = max(1.0, CLOCKED_SHARE / clock)
        work_s = np.maximum(cost.compute_s / clock, cost.memory_s * slow)
        least_s = self.physics.small_kernel_s
        if least_s and op.kind == "elementwise" and op.name not in HEAD:
            return np.maximum(work_s, least_s - cost.launch_s)
        return work_s

    def sum(self, by: str = "part") -> dict[str, Column]:
        """Seconds by `part` or by `name` of operation, [plans]; their sum is the step's time."""
        found: dict[str, Column] = {}
        for op, cost, part, count in self._each():
            if op.role == "none":
                time_s = count * cost.network_s
            else:
                time_s = (self._busy(op, count) * self._work_s(op, cost) + count * cost.launch_s) * self.pace
            key = part if by == "part" else op.name
            found[key] = found.get(key, 0.0) + time_s
        for extra in self.extras:
            key = extra.part if by == "part" else extra.name
            found[key] = found.get(key, 0.0) + extra.time_s
        return found

    @property
    def work(self) -> Work:
        """Dense work by kind."""
        found = self.sum()
        return Work(*(found.get(name, 0.0) for name in ("matrix", "expert", "elementwise")))

    def totals(self) -> StepTotal:
        """Seconds by bound at the top clock, and the work behind them."""
        compute: Column = 0.0
        memory: Column = 0.0
        network: Column = 0.0
        launch: Column = 0.0
        flop: Column = 0.0
        moved: Column = 0.0
        peak_s: Column = 0.0
        machine = self.physics.machine
        for op, cost, _, count in self._each():
            if op.role == "none":
                network = added(network, count * cost.network_s)
                continue
            busy = self._busy(op, count)
            by_compute = np.asarray(cost.compute_s >= cost.memory_s)
            if by_compute.all():
                compute = added(compute, busy * cost.compute_s)
            elif not by_compute.any():
                memory = added(memory, busy * cost.memory_s)
            else:
                memory = added(memory, busy * np.where(by_compute, 0.0, cost.memory_s))
                compute = added(compute, busy * np.where(by_compute, cost.compute_s, 0.0))
            launch = added(launch, count * cost.launch_s)
            done_flop = op.count * op.flop
            flop = added(flop, done_flop)
            if op.role in MATRIX_ROLES:
                peak_s = added(peak_s, done_flop / peak_of(op, machine.as_for(op.format)))
            moved = added(moved, op.count * (op.stream_bytes + op.cache_bytes))
        extra = sum((e.time_s for e in self.extras if e.part not in ("stream", "hidden")), 0.0)
        stream = sum((e.time_s for e in self.extras if e.part == "stream"), 0.0)
        launch = launch * self.pace + extra
        compute, memory = compute * self.pace, memory * self.pace + stream
        hidden = [e.time_s for e in self.extras if e.part == "hidden"]
        if hidden:
            compute, memory, network, launch = without((compute, memory, network, launch), -sum(hidden, 0.0))
        return StepTotal(compute, memory, network, launch, flop, moved, peak_s)

    def busy_s(self) -> tuple[Column, Column, Column]:
        """(matrix unit at its peaks, memory at its bandwidth, the whole step) in seconds at the top clock: what power
        follows. Each operation counts against the peak of its own format."""
        total = self.totals()
        return total.peak_s, total.moved_bytes / self.physics.machine.memory_bytes_per_s, total.time_s

    def kinds(self, parts: tuple[str, ...]) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
        """Of some parts: seconds alone by the resource that is kept busiest (matrix unit, memory, links, host), and
        what they load beside: seconds of units that reads hold, of memory that products read."""
        machine = self.physics.machine
        matrix, memory, link, held, fed = (np.zeros(1) for _ in range(5))
        host = sum((e.time_s for e in self.extras if e.part in parts), np.zeros(1))
        for op, cost, part, count in self._each():
            if part not in parts:
                continue
            if op.role == "none":
                link = link + count * cost.network_s
                continue
            busy, work_s = self._busy(op, count) * self.pace, self._work_s(op, cost)
            read_s = np.minimum(np.maximum(cost.memory_s, op.stream_bytes / machine.memory_bytes_per_s), work_s)
            units_s = np.maximum(cost.compute_s, machine.reading_units_ratio * cost.memory_s)
            is_product = np.asarray(cost.compute_s >= cost.memory_s)
            matrix = matrix + np.where(is_product, busy * work_s, 0.0)
            memory = memory + np.where(is_product, 0.0, busy * work_s)
            held = held + np.where(is_product, 0.0, busy * units_s)
            fed = fed + np.where(is_product, busy * read_s, 0.0)
            host = host + count * cost.launch_s * self.pace
        return (matrix, memory, link, host), (held, fed)

    def rows(self, phase: str, times: float = 1.0) -> list[OperationRow]:
        """One plan's operations and extras; their times sum to those of `times` such steps."""
        found = [self._row(op, cost, count, phase) for op, cost, _, count in self._each()]
        for extra in self.extras:
            time_s = float(np.max(extra.time_s))
            bound = Bound.MEMORY if extra.part == "stream" else Bound.LAUNCH
            found.append(OperationRow(phase, extra.name, 1.0, time_s, 0.0, 0.0, bound.name.lower()))
        kept = [row for row in found if row.count > 0]
        return kept if times == 1.0 else [repeated(row, times) for row in kept]

    def _row(self, op: Op, cost: OpCost, count: Column, phase: str) -> OperationRow:
        parts = [float(np.max(p)) for p in (cost.compute_s, cost.memory_s, cost.network_s, cost.launch_s)]
        times = float(np.max(op.count))
        busy = float(np.max(self.physics.imbalance_ratio)) if op.kind == "moe" else 1.0
        pace = 1.0 if op.role == "none" else float(np.max(self.pace))
        time_s = float(np.max(count)) * pace * (busy * max(parts[0], parts[1]) + parts[2] + parts[3])
        work = [parts[0] if parts[0] >= parts[1] else 0.0, parts[1] if parts[1] > parts[0] else 0.0, *parts[2:]]
        moved = times * float(np.max(op.stream_bytes + op.cache_bytes))
        bound = Bound(int(np.argmax(work))).name.lower()
        return OperationRow(phase, op.name, times, time_s, times * float(np.max(op.flop)), moved, bound)


def without(times: Sequence[Column], hidden_s: Column) -> list[Column]:
    """(compute, memory, network, launch) less what hides of them: launches first, then the shorter."""
    left = list(times)
    for at in (3, *sorted(range(3), key=lambda at: float(np.sum(times[at])))):
        gone = np.minimum(left[at], hidden_s)
        left[at], hidden_s = left[at] - gone, hidden_s - gone
    return left


def repeated(row: OperationRow, times: float) -> OperationRow:
    """The row of as many equal steps."""
    work = {name: times * getattr(row, name) for name in ("count", "time_s", "flop", "moved_bytes")}
    return replace(row, **work)


def price(physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool) -> Priced:
    """A step through all stages of a replica; `graphs`: its kernels are launched as one captured graph.

    Weights that live in a slower tier pass through once a step: what their stream takes beyond the step's own time is
    a line of its own.
    """
    overlap = physics.overlap
    priced = _resident(physics, plan, step, graphs)
    found = priced if overlap is None else _in_parts(priced, overlap, plan, step, graphs)
    stream = streamed(physics.machine, physics.model, plan, found.ops)
    if stream is None:
        return found
    own_s = sum(found.sum().values(), 0.0)
    return replace(found, extras=(*found.extras, Extra(STREAM, "stream", stream.over(own_s) - own_s)))


def _in_parts(whole: Priced, overlap: Overlap, plan: PlanColumns, step: StepColumns, graphs: bool) -> Priced:
    """The step in micro-batches beside each other: head and host once, all else as often as there are parts."""
    parts, found = overlap.parts(step.tokens), whole
    if not overlap.tiles:
        one = _resident(whole.physics, plan, micro_batch(step, parts), graphs)
        mine = [(replace(op, count=op.count * parts), c) for op, c in one.pairs if part_of(op) != "head"]
        mine += [(op, cost) for op, cost in whole.pairs if part_of(op) == "head"]
        small = [replace(e, time_s=e.time_s * parts) for e in one.extras if e.part == "elementwise"]
        extras = (*small, *(e for e in whole.extras if e.part != "elementwise"))
        found = replace(one, ops=tuple(o for o, _ in mine), costs=tuple(c for _, c in mine), extras=extras)
    work, loads = found.kinds(OVERLAPPING)
    time_s = overlapped_s(work, loads, (parts, float(overlap.late), *overlap.stated))
    hidden = Extra(HIDDEN, "hidden", time_s - sum(work, 0.0))
    return replace(found, extras=(*found.extras, hidden))


def _resident(physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool) -> Priced:
    """The step with weights where the kernels read them."""
    plain = _unserved(physics, plan, step, graphs)
    served = physics.served
    if not served.adds:
        launch_s = physics.machine.graph_launch_s * plain.pace
        return replace(plain, extras=(Extra("graph_launch", "launch", launch_s),)) if graphs else plain
    plain = _with_expert_tokens(plain, physics, plan, step, graphs)
    eight_bit = number_format(physics.machine.formats[0]).name == "fp8"
    layers = physics.model.layer_count
    captured = served.captured_tokens(step.prefills, graphs)
    found = changes(served, plain.work, step.tokens, layers, eight_bit, captured)
    return replace(plain, ratio=found.ratio, extras=_extras(physics, plain, found, step, graphs))


def _unserved(physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool) -> Priced:
    """The step as the operators say."""
    ops = lower(physics.model, plan, step)
    with np.errstate(divide="ignore", invalid="ignore"):  # laws of work that a step does not hold
        asked, other = (ops, physics.machine, plan, graphs), physics.expert_cost
        costs = costs_in_formats(physics.cost_model, *asked)
        theirs = [] if other is None else costs_in_formats(other, *asked)
    if theirs:
        costs = [t if op.kind == "moe" else c for op, c, t in zip(ops, costs, theirs, strict=True)]
    kept = kept_ratio(physics.machine, physics.model)
    if kept < 1.0:
        costs = [scaled(c, kept) if op.name == "experts" else c for op, c in zip(ops, costs, strict=True)]
    return Priced(tuple(ops), tuple(costs), physics, stage_imbalance(physics.model, plan))


def scaled(cost: OpCost, ratio: float) -> OpCost:
    """A part of an operation, its launch whole."""
    return replace(cost, compute_s=ratio * cost.compute_s, memory_s=ratio * cost.memory_s)


def _with_expert_tokens(plain: Priced, physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool) -> Priced:
    """The experts' operations at the tokens that they see, where those differ from the step's own."""
    served, chunk = physics.served, step.prefills
    spread = chunk and bool(np.any(np.asarray(plan.attention_dp) > 1))
    if not physics.model.is_moe or not (spread or served.least_expert_tokens):
        return plain
    seen = expert_tokens(served, step.tokens, plan.attention_dp, chunk)
    other = StepColumns(1.0, seen) if chunk else StepColumns(decode_sequences=seen, kv_tokens=1.0)
    theirs = _unserved(physics, plan, other, graphs)
    experts = iter([pair for pair in zip(theirs.ops, theirs.costs, strict=True) if pair[0].kind == "moe"])
    own = zip(plain.ops, plain.costs, strict=True)
    picked = [next(experts) if op.kind == "moe" else (op, cost) for op, cost in own]
    return replace(plain, ops=tuple(o for o, _ in picked), costs=tuple(c for _, c in picked))


def _extras(physics: Physics, plain: Priced, found: Changes, step: StepColumns, graphs: bool) -> tuple[Extra, ...]:
    """Gaps, launches, sampler and host time as lines of their own."""
    served = physics.served
    extras = [
        Extra("kernel_gaps", "elementwise", found.gaps_s * plain.pace),
        Extra("launches", "elementwise", found.floor_s * plain.pace),
        Extra("sampler_and_stream", "head", served.sequence_s * step.sequences),
        Extra("host", "host", served.step_host_s(step.prefills)),
    ]
    if graphs and not served.replaces_launch:
        extras.append(Extra("graph_launch", "launch", physics.machine.graph_launch_s * plain.pace))
    return tuple(extra for extra in extras if np.any(np.asarray(extra.time_s) != 0.0))


def dynamic_w(physics: Physics, compute_s: Any, memory_s: Any, total_s: Any) -> Any:
    """Power above idle of one chip, from its utilisation at full clock; the core's part follows the clock's cube."""
    machine, power_w, clock_ratio = physics.machine, physics.cost_model.board_power_w, physics.clock_ratio
    total_s = np.maximum(total_s, 1e-12)
    busy = np.minimum(compute_s / total_s, 1.0), np.minimum(memory_s / total_s, 1.0)
    full_w = power_w(machine, busy[0], busy[1]) - machine.idle_w
    if clock_ratio == 1.0:
        return np.asarray(full_w)
    memory_w = np.minimum(power_w(machine, 0.0 * busy[0], busy[1]) - machine.idle_w, full_w)
    return np.asarray(memory_w + (full_w - memory_w) * clock_ratio**3)
