"""The analytic engine: steady state of a replica under a closed loop of `batch` requests, arrays over plans.

Per lane (attention-dp rank x pipeline microbatch) with b requests in flight, prefill time P, decode step D and mean
output O, exclusive prefill between decode steps gives

    TPOT       = D + (b - 1) P / O
    rho        = b P / (O D + b P)                     share of time spent in prefill
    TTFT       = P(q) + (1 - 1/b) (rho P + (1 - rho) D) / 2
    throughput = batch x O / (TTFT + (O - 1) TPOT)     Little's law

P(q) is the prefill of the q-quantile input. Derivation in docs/analytic.md. Wrong near saturation of an open arrival
process, where queues grow: that is the event engine's work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simcore.cost import memory, money, storage
from simcore.cost.base import CostModel
from simcore.cost.machine import Machine
from simcore.ops.op import Array, Column, PlanColumns, StepColumns
from simcore.result import Reason
from simcore.spec.demand import Demand
from simcore.spec.economics import Economics
from simcore.spec.model import ModelSpec
from simcore.spec.policy import ServingPolicy
from simcore.step.price import Physics, StepTotal, shared_total, step_total, sub_batched_total


@dataclass(frozen=True)
class Setting:
    """Everything that is equal for all plans of one evaluation."""

    model: ModelSpec
    demand: Demand
    policy: ServingPolicy
    economics: Economics
    cost_model: CostModel
    quantile: float = 0.5
    """of the input length at which TTFT is told"""
    share_steps: bool = True
    """plans whose prefill or decode step is the same share its cost"""


@dataclass(frozen=True)
class Phases:
    """Prefill of one request and one decode step, [plans]."""

    prefill: StepTotal
    prefill_quantile_s: Column
    decode: StepTotal
    lane_batch: Column
    lanes: Column


def evaluate(setting: Setting, machine: Machine, plan: PlanColumns, batch: Column) -> dict[str, Array]:
    """Steady state of every plan. Returns columns [plans]; rows that do not fit are NaN with a reason code.

    `batch` is the number of requests in flight per replica.
    """
    found = phases(setting, machine, plan, batch)
    times = steady_state(setting, found, batch)
    columns = {**times, **fit(setting, machine, plan, batch)}
    columns |= efficiency(setting, machine, plan, batch, found, times)
    columns |= {"decode_bound": found.decode.bound.astype(float), "prefill_bound": found.prefill.bound.astype(float)}
    return mask_infeasible(columns, _rows(plan, batch))


def phases(setting: Setting, machine: Machine, plan: PlanColumns, batch: Column) -> Phases:
    """Costs of the two kinds of step."""
    physics = Physics(setting.model, machine, setting.cost_model, setting.policy.imbalance_ratio)
    lanes = np.minimum(batch, plan.attention_dp * plan.pp)
    lane_batch = batch / lanes
    demand = setting.demand
    prefill = step(setting, physics, plan, prefill_step(demand.input.mean_tokens), False)
    typical = demand.input.quantile(setting.quantile)
    if typical == demand.input.mean_tokens:
        at_quantile = prefill.time_s
    else:
        at_quantile = step(setting, physics, plan, prefill_step(typical), False).time_s
    decode = step(setting, physics, plan, decode_step(np.ceil(lane_batch), demand), setting.policy.graphs)
    return Phases(prefill, at_quantile, decode, lane_batch, lanes)


def step(setting: Setting, physics: Physics, plan: PlanColumns, batch: StepColumns, graphs: bool) -> StepTotal:
    """One step, with weights streamed from a slow tier and decode attention overlapped where the hardware can."""
    machine = physics.machine
    if machine.pim is not None and machine.pim.concurrent and setting.policy.sub_batches and batch.decodes:
        total = sub_batched_total(physics, plan, batch, graphs)
    elif setting.share_steps and machine.is_one:
        total = shared_total(physics, plan, batch, graphs)
    else:
        total = step_total(physics, plan, batch, graphs)
    if np.isfinite(machine.weight_bytes_per_s):
        weights = memory.weight_bytes(setting.model, plan) * plan.pp
        layers = setting.model.layer_count
        paced = storage.streamed_time_s(total.time_s, weights, machine.weight_bytes_per_s, layers)
        total = replace(total, memory_s=total.memory_s + paced - total.time_s)
    return total


def prefill_step(input_tokens: float) -> StepColumns:
    """One request's whole prompt."""
    return StepColumns(prefill_sequences=1.0, prefill_tokens=input_tokens)


def decode_step(sequences: Column, demand: Demand) -> StepColumns:
    """One token for each of `sequences` at the mean context."""
    return StepColumns(decode_sequences=sequences, kv_tokens=demand.decode_context_tokens)


def steady_state(setting: Setting, found: Phases, batch: Column) -> dict[str, Column]:
    """TTFT, TPOT, end-to-end time and throughput of one replica."""
    output = setting.demand.output.mean_tokens
    prefill_s, decode_s, b = found.prefill.time_s, found.decode.time_s, found.lane_batch
    prefill_share = b * prefill_s / (output * decode_s + b * prefill_s)
    others = 1.0 - 1.0 / np.maximum(b, 1.0)
    wait_s = others * 0.5 * (prefill_share * prefill_s + (1.0 - prefill_share) * decode_s)
    tpot_s = decode_s + np.maximum(b - 1.0, 0.0) * prefill_s / output
    ttft_s = found.prefill_quantile_s + wait_s
    e2e_s = prefill_s + wait_s + (output - 1.0) * tpot_s
    return {
        "ttft_s": ttft_s,
        "tpot_s": tpot_s,
        "e2e_s": e2e_s,
        "prefill_s": prefill_s,
        "decode_step_s": decode_s,
        "prefill_share_ratio": prefill_share,
        "replica_tokens_per_s": batch * output / e2e_s,
    }


def fit(setting: Setting, machine: Machine, plan: PlanColumns, batch: Column) -> dict[str, Column]:
    """Memory per chip, what is there, and the largest batch that fits. Paged KV of the mean input + output."""
    demand, model = setting.demand, setting.model
    context = demand.input.mean_tokens + demand.output.mean_tokens
    sequences = np.ceil(batch / plan.attention_dp)
    per_sequence = memory.kv_bytes_per_sequence(model, plan, context)
    weights = memory.weight_bytes(model, plan)
    step_tokens = np.maximum(demand.input.quantile(0.99), sequences)
    work = memory.activation_bytes(model, plan, step_tokens)
    buffers = memory.buffer_bytes(model, plan, sequences, step_tokens)
    have = machine.memory_bytes * setting.policy.memory_fraction
    fixed = work + buffers + machine.reserve_bytes
    weights_here = 0.0 if setting.policy.weight_tier != "main" else weights
    kv_here = 0.0 if setting.policy.kv_tier != "main" else per_sequence * sequences
    need = weights_here + kv_here + fixed
    room = np.where(setting.policy.kv_tier == "main", have - weights_here - fixed, machine.kv_tier_bytes)
    largest = np.floor(np.maximum(room, 0.0) / per_sequence) * plan.attention_dp
    fits = (need <= have) & (largest >= batch)
    return {
        "weights_bytes": weights,
        "kv_bytes": per_sequence * sequences,
        "activation_bytes": work,
        "buffer_bytes": buffers,
        "reserve_bytes": machine.reserve_bytes,
        "need_bytes": need,
        "have_bytes": have,
        "max_batch": largest,
        "reason": np.where(fits, int(Reason.FEASIBLE), int(Reason.DOES_NOT_FIT)),
    }


def efficiency(
    setting: Setting, machine: Machine, plan: PlanColumns, batch: Column, found: Phases, times: dict[str, Column]
) -> dict[str, Column]:
    """Throughput, utilisation, power, energy and cost of the whole deployment."""
    output, inputs = setting.demand.output.mean_tokens, setting.demand.input.mean_tokens
    tokens_per_s = times["replica_tokens_per_s"] * plan.dp
    chips = plan.chips
    busy = found.lanes / (plan.attention_dp * plan.pp)
    prefill_w, decode_w = (phase_power_w(setting, machine, phase, busy) for phase in (found.prefill, found.decode))
    share = times["prefill_share_ratio"]
    chip_w = share * prefill_w + (1.0 - share) * decode_w
    power_w = chips * (chip_w + machine.node_w)
    spent = money.usd_per_s(machine, setting.economics, chips, power_w)
    model = setting.model
    request_flop = 2.0 * (model.layer_matrix_elements * (inputs + output) + model.head_elements * output)
    useful = request_flop / output * tokens_per_s / chips
    moved = found.decode.moved_bytes / (found.decode.time_s * machine.memory_bytes_per_s) * busy
    return {
        "throughput_tokens_per_s": tokens_per_s,
        "throughput_per_chip_tokens_per_s": tokens_per_s / chips,
        "requests_per_s": tokens_per_s / output,
        "chips": chips,
        "mfu_ratio": useful / machine.matrix_flop_per_s,
        "mbu_ratio": np.minimum(moved, 1.0),
        "power_w": power_w,
        "energy_j_per_token": power_w / tokens_per_s,
        "usd_per_million_tokens": money.usd_per_million_tokens(spent, tokens_per_s),
        "usd_per_hour": spent * 3600.0,
    }


def phase_power_w(setting: Setting, machine: Machine, phase: StepTotal, busy: Column) -> Column:
    """Board power of one chip during a phase; `busy` is the share of lanes that have work."""
    compute = busy * phase.flop / (phase.time_s * machine.matrix_flop_per_s)
    moving = busy * phase.moved_bytes / (phase.time_s * machine.memory_bytes_per_s)
    return setting.cost_model.board_power_w(machine, np.minimum(compute, 1.0), np.minimum(moving, 1.0))


def mask_infeasible(columns: dict[str, Column], rows: int) -> dict[str, Array]:
    """Every column [rows]; performance of infeasible rows is NaN, memory and reason stay."""
    kept = {"reason", "need_bytes", "have_bytes", "max_batch", "chips", "decode_bound", "prefill_bound"}
    bad = np.broadcast_to(np.asarray(columns["reason"]) != int(Reason.FEASIBLE), (rows,))
    out: dict[str, Array] = {}
    for name, column in columns.items():
        full = np.array(np.broadcast_to(column, (rows,)))
        if name not in kept and not name.endswith("_bytes"):
            full[bad] = np.nan
        out[name] = full.astype(np.int8) if name in ("reason", "decode_bound", "prefill_bound") else full
    return out


def _rows(plan: PlanColumns, batch: Column) -> int:
    sizes = [np.size(c) for c in (plan.tp, plan.pp, plan.dp, plan.ep, plan.weight_bytes, batch)]
    return max(sizes)
