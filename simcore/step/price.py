"""One step of a replica: operations and their costs added up, arrays over plans."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from simcore.cost.base import Bound, CostModel, OpCost
from simcore.cost.machine import Machine
from simcore.ops.op import Column, Op, PlanColumns, StepColumns, pick, repeats
from simcore.ops.transformer import lower
from simcore.result import OperationRow
from simcore.spec.model import ModelSpec

MEMORY_SIDE = ("attention_decode", "mla_decode")
"""operations that a PIM unit may take over"""


@dataclass(frozen=True)
class StepTotal:
    """A step's time by what bounds it, and the work behind it, per chip, [plans]."""

    compute_s: Column
    memory_s: Column
    network_s: Column
    launch_s: Column
    flop: Column
    moved_bytes: Column

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
class Physics:
    """What turns a step into seconds."""

    model: ModelSpec
    machine: Machine
    cost_model: CostModel
    imbalance_ratio: Column = 1.0
    """busiest expert rank over the mean"""


def step_total(physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool) -> StepTotal:
    """Cost of one step through all stages of a replica."""
    ops = lower(physics.model, plan, step)
    return add_up(ops, physics.cost_model.costs(ops, physics.machine, plan, graphs), physics, plan, graphs)


def shared_total(physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool) -> StepTotal:
    """`step_total` with every distinct step evaluated once.

    Plans that differ only in replicas or in the batch have the same prefill; the machine must be the same for all.
    """
    columns = {id(c): c for part in (plan, step) for f in fields(part) if np.size(c := getattr(part, f.name)) > 1}
    varying = [c for name, c in columns.items() if c is not plan.dp]
    if not varying:
        return step_total(physics, plan, step, graphs)
    first, back = repeats(varying)
    if len(first) == len(back):
        return step_total(physics, plan, step, graphs)
    some = StepColumns(**{f.name: pick(getattr(step, f.name), first) for f in fields(step)})
    total = step_total(physics, plan.take(first), some, graphs)
    return StepTotal(**{f.name: pick(getattr(total, f.name), back) for f in fields(total)})


def add_up(ops: list[Op], costs: list[OpCost], physics: Physics, plan: PlanColumns, graphs: bool) -> StepTotal:
    """Sum of count x cost; the slowest stage paces a pipeline whose layers do not divide evenly."""
    compute: Column = 0.0
    memory: Column = 0.0
    network: Column = 0.0
    launch: Column = 0.0
    flop: Column = 0.0
    moved: Column = 0.0
    for op, cost in zip(ops, costs, strict=True):
        busy = op.count * (physics.imbalance_ratio if op.kind == "moe" else 1.0)
        if op.role == "none":
            network = network + op.count * cost.network_s
            continue
        by_compute = cost.compute_s >= cost.memory_s
        compute = compute + busy * np.where(by_compute, cost.compute_s, 0.0)
        memory = memory + busy * np.where(by_compute, 0.0, cost.memory_s)
        launch = launch + op.count * cost.launch_s
        flop = flop + op.count * op.flop
        moved = moved + op.count * (op.stream_bytes + op.cache_bytes)
    if graphs:
        launch = launch + physics.machine.graph_launch_s
    uneven = stage_imbalance(physics.model, plan)
    return StepTotal(compute * uneven, memory * uneven, network, launch * uneven, flop, moved)


def sub_batched_total(physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool) -> StepTotal:
    """Two half batches: while one is in its matrices, the other's attention runs on the PIM unit.

    T = 2 max(T_matrices(b/2), T_attention(b/2)) per layer (NeuPIMs); weights are streamed once per half.
    """
    half = replace(step, decode_sequences=np.ceil(step.decode_sequences / 2.0))
    ops = lower(physics.model, plan, half)
    costs = physics.cost_model.costs(ops, physics.machine, plan, graphs)
    pairs = list(zip(ops, costs, strict=True))
    attention, matrices = (
        add_up([o for o, _ in some], [c for _, c in some], physics, plan, False)
        for some in ([p for p in pairs if p[0].kind in MEMORY_SIDE], [p for p in pairs if p[0].kind not in MEMORY_SIDE])
    )
    hidden = np.minimum(attention.time_s, matrices.time_s)
    return StepTotal(
        2.0 * matrices.compute_s,
        2.0 * (matrices.memory_s + attention.time_s - hidden),
        2.0 * matrices.network_s,
        2.0 * matrices.launch_s,
        2.0 * (matrices.flop + attention.flop),
        2.0 * (matrices.moved_bytes + attention.moved_bytes),
    )


def stage_imbalance(model: ModelSpec, plan: PlanColumns) -> Column:
    """pp ceil(L / pp) / L: 1 where pp divides the layers."""
    return plan.pp * np.ceil(model.layer_count / plan.pp) / model.layer_count


def breakdown(physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool, phase: str) -> list[OperationRow]:
    """The operations of one plan's step; their times sum to the step's time."""
    ops = lower(physics.model, plan, step)
    costs = physics.cost_model.costs(ops, physics.machine, plan, graphs)
    uneven = float(np.max(stage_imbalance(physics.model, plan)))
    rows = [_row(op, cost, physics, uneven, phase) for op, cost in zip(ops, costs, strict=True)]
    if graphs:
        launch = float(np.max(physics.machine.graph_launch_s)) * uneven
        rows.append(OperationRow(phase, "graph_launch", 1.0, launch, 0.0, 0.0, Bound.LAUNCH.name.lower()))
    return [row for row in rows if row.count > 0]


def _row(op: Op, cost: OpCost, physics: Physics, uneven: float, phase: str) -> OperationRow:
    parts = [float(np.max(p)) for p in (cost.compute_s, cost.memory_s, cost.network_s, cost.launch_s)]
    count = float(np.max(op.count))
    busy = float(np.max(physics.imbalance_ratio)) if op.kind == "moe" else 1.0
    pace = 1.0 if op.role == "none" else uneven
    time_s = count * pace * (busy * max(parts[0], parts[1]) + parts[2] + parts[3])
    work = [parts[0] if parts[0] >= parts[1] else 0.0, parts[1] if parts[1] > parts[0] else 0.0, *parts[2:]]
    moved = count * float(np.max(op.stream_bytes + op.cache_bytes))
    return OperationRow(
        phase, op.name, count, time_s, count * float(np.max(op.flop)), moved, Bound(int(np.argmax(work))).name.lower()
    )
