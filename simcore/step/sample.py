"""Step times of the event engine from the same physics as the analytic engine: lower, cost, sample on the lattice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from simcore.cost.kernel_power import CLOCKED_SHARE
from simcore.ops.op import PlanColumns, StepColumns
from simcore.ops.transformer import lower
from simcore.step.price import Physics, stage_imbalance
from simcore.step.times import Evaluate, Floats, SampleRange, StepParts, StepSample, StepTimes, sample_step_times

ATTENTION = ("attention_prefill", "attention_decode", "mla_prefill", "mla_decode", "linear_attention_gdn", "mamba2")
HEAD = ("lm_head", "sampling", "final_norm", "all_gather_logits")
"""what is done once per sequence that needs a token, the gathering of its logits included"""


def evaluate_physics(physics: Physics, plan: PlanColumns, graphs: bool = True, clock_ratio: float = 1.0) -> Evaluate:
    """The sampling protocol of `simcore.step.times` answered by `lower` and the cost model, for one plan.

    Steps with a chunk launch kernel by kernel; steps of decodes alone replay a graph where `graphs`. At a lower clock
    compute takes 1 / `clock_ratio` as long, memory as long until the clocked parts that feed it become slower.
    """

    def evaluate(sample: StepSample) -> StepParts:
        mixed = bool(np.any(sample.chunk_tokens > 0))
        step = StepColumns(
            prefill_sequences=np.where(sample.chunk_tokens > 0, 1.0, 0.0) if mixed else 0.0,
            prefill_tokens=sample.chunk_tokens,
            past_tokens=sample.past_tokens,
            decode_sequences=sample.decodes,
            kv_tokens=sample.kv_tokens,
        )
        return _parts(physics, plan, step, graphs and not mixed, len(sample.chunk_tokens), clock_ratio)

    return evaluate


def _parts(
    physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool, steps: int, clock_ratio: float
) -> StepParts:
    ops = lower(physics.model, plan, step)
    costs = physics.cost_model.costs(ops, physics.machine, plan, graphs)
    sums: dict[str, Floats] = {name: np.zeros(steps) for name in ("dense", "attention", "head", "communication")}
    compute, memory, added = np.zeros(steps), np.zeros(steps), np.zeros(steps)
    slow = max(1.0, CLOCKED_SHARE / clock_ratio)
    pace = stage_imbalance(physics.model, plan)
    for op, cost in zip(ops, costs, strict=True):
        busy = physics.imbalance_ratio if op.kind == "moe" else 1.0
        if op.role == "none":
            sums["head" if op.name in HEAD else "communication"] += op.count * cost.network_s
            continue
        work = op.count * busy * np.maximum(cost.compute_s / clock_ratio, cost.memory_s * slow) * pace
        added += work - op.count * busy * np.maximum(cost.compute_s, cost.memory_s) * pace
        part = "attention" if op.kind in ATTENTION else "head" if op.name in HEAD else "dense"
        sums[part] += work + op.count * cost.launch_s * pace
        compute += op.count * busy * cost.compute_s * pace
        memory += op.count * busy * cost.memory_s * pace
    if graphs:
        sums["dense"] += physics.machine.graph_launch_s * pace
    total = np.maximum(sum(sums.values()), 1e-12)
    chips = float(np.max(plan.replica_chips / plan.pp / plan.attention_dp))
    energy_j = dynamic_w(physics, compute, memory, total - added, clock_ratio) * total * chips
    return StepParts(sums["dense"], sums["attention"], sums["head"], sums["communication"], np.asarray(energy_j))


def dynamic_w(physics: Physics, compute_s: Floats, memory_s: Floats, total_s: Floats, clock_ratio: float) -> Floats:
    """Power above idle of one chip, from its utilisation at full clock; the core's part follows the clock's cube."""
    machine, power_w = physics.machine, physics.cost_model.board_power_w
    total_s = np.maximum(total_s, 1e-12)
    busy = np.minimum(compute_s / total_s, 1.0), np.minimum(memory_s / total_s, 1.0)
    full_w = power_w(machine, busy[0], busy[1]) - machine.idle_w
    if clock_ratio == 1.0:
        return np.asarray(full_w)
    memory_w = np.minimum(power_w(machine, 0.0 * busy[0], busy[1]) - machine.idle_w, full_w)
    return np.asarray(memory_w + (full_w - memory_w) * clock_ratio**3)


def physics_step_times(
    physics: Physics,
    plan: PlanColumns,
    graphs: bool = True,
    reach: SampleRange | None = None,
    clock_ratio: float = 1.0,
    **fields: Any,
) -> StepTimes:
    """`StepTimes` of one plan on one machine; `fields` (host overhead, overlap, source) go to `StepTimes`.

    Empty steps cost nothing. Energy is the board's, above idle, of the stage at work; `idle_w` is the idle power of all
    chips of the replica. With attention-dp both are one rank's: each rank is a replica of the engine.
    """
    times = sample_step_times(evaluate_physics(physics, plan, graphs, clock_ratio), reach or SampleRange(), **fields)
    chips = float(np.max(plan.replica_chips / plan.attention_dp))
    return replace(times, idle_w=float(np.max(physics.machine.idle_w)) * chips)


def with_small_kernels(times: StepTimes, physics: Physics, plan: PlanColumns) -> StepTimes:
    """`times` in which every norm, rotation and activation of a layer takes at least `SMALL_KERNEL_S`. One plan."""
    tokens = np.maximum(times.dense_pure.x.knots(), 1.0)
    step = StepColumns(decode_sequences=tokens, kv_tokens=1.0)
    ops = lower(physics.model, plan, step)
    extra_s = np.zeros_like(tokens)
    for op, cost in zip(ops, physics.cost_model.costs(ops, physics.machine, plan, True), strict=True):
        if op.kind == "elementwise" and op.name not in HEAD:
            busy_s = np.maximum(cost.compute_s, cost.memory_s) + cost.launch_s
            extra_s += op.count * np.maximum(0.0, SMALL_KERNEL_S - busy_s)
    pure, mixed = times.dense_pure, times.dense_mixed
    return replace(
        times,
        dense_pure=replace(pure, values=pure.values + extra_s),
        dense_mixed=replace(mixed, values=mixed.values + extra_s),
    )


SMALL_KERNEL_S = 2.3e-6
"""median of norms, head norms and rotation of 1 to 8 tokens in the two Qwen3 layer profiles (RTX PRO 6000, 2.0 to 3.6
us; 1.9 to 2.6 us on the RTX 4090), where the roofline and the gap between kernels of a graph say 1 us"""
