"""Totals of steps as the analytic engine asks for them: one, equal ones shared, two half batches around a PIM unit."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from simcore.ops.op import PlanColumns, StepColumns, pick, repeats
from simcore.step.price import MEMORY_SIDE, Physics, StepTotal, price


def step_total(physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool) -> StepTotal:
    """Cost of one step through all stages of a replica."""
    return price(physics, plan, step, graphs).totals()


def shared_total(physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool) -> StepTotal:
    """`step_total` with every distinct step evaluated once.

    Plans that differ only in replicas or in the batch have the same prefill; the machine must be the same for all.
    """
    columns = {id(c): c for part in (plan, step) for f in fields(part) if np.size(c := getattr(part, f.name)) > 1}
    varying = [c for c in columns.values() if c is not plan.dp]
    if not varying:
        return step_total(physics, plan, step, graphs)
    first, back = repeats(varying)
    if len(first) == len(back):
        return step_total(physics, plan, step, graphs)
    some = StepColumns(**{f.name: pick(getattr(step, f.name), first) for f in fields(step)})
    total = step_total(physics, plan.take(first), some, graphs)
    parts = {f.name: getattr(total, f.name) for f in fields(total)}  # a part of one row serves every row
    return StepTotal(**{name: part if np.size(part) == 1 else pick(part, back) for name, part in parts.items()})


def sub_batched_total(physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool) -> StepTotal:
    """Two half batches: while one is in its matrices, the other's attention runs on the PIM unit.

    T = 2 max(T_matrices(b/2), T_attention(b/2)) per layer (NeuPIMs); weights are streamed once per half.
    """
    half = price(physics, plan, replace(step, decode_sequences=np.ceil(step.decode_sequences / 2.0)), graphs)
    attention = half.only(lambda op: op.kind in MEMORY_SIDE).totals()
    matrices = half.only(lambda op: op.kind not in MEMORY_SIDE).totals()
    hidden = np.minimum(attention.time_s, matrices.time_s)
    return StepTotal(
        2.0 * matrices.compute_s,
        2.0 * (matrices.memory_s + attention.time_s - hidden),
        2.0 * matrices.network_s,
        2.0 * matrices.launch_s,
        2.0 * (matrices.flop + attention.flop),
        2.0 * (matrices.moved_bytes + attention.moved_bytes),
        2.0 * (matrices.peak_s + attention.peak_s),
    )
