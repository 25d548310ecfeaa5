"""Costs of a step whose layers have formats of their own."""

from __future__ import annotations

from simcore.cost.base import CostModel, OpCost
from simcore.cost.machine import Machine
from simcore.ops.op import Op, PlanColumns


def costs_in_formats(
    model: CostModel, ops: list[Op], machine: Machine, plan: PlanColumns, graphs: bool
) -> list[OpCost]:
    """Each operation on the machine as it is for its format."""
    if not machine.others:
        return model.costs(ops, machine, plan, graphs)
    found: dict[int, OpCost] = {}
    for name in dict.fromkeys(op.format for op in ops):
        rows = [at for at, op in enumerate(ops) if op.format == name]
        costs = model.costs([ops[at] for at in rows], machine.as_for(name), plan, graphs)
        found.update(zip(rows, costs, strict=True))
    return [found[at] for at in range(len(ops))]
