"""Costs of the kinds of step that a steady state is made of: prefill, decode, a chunk beside decodes, a full one."""

from __future__ import annotations

from dataclasses import field, fields, replace

import numpy as np

from simcore.cost.base import CostModel
from simcore.cost.machine import Machine
from simcore.kept.lazy import dataclass
from simcore.ops.op import Column, PlanColumns, StepColumns
from simcore.spec.demand import Demand
from simcore.spec.economics import Economics
from simcore.spec.model import ModelSpec
from simcore.spec.policy import ServingPolicy
from simcore.spec.stack import StackMemory
from simcore.step.overlap import overlap_of
from simcore.step.price import Physics, StepTotal
from simcore.step.served import NOTHING, Served
from simcore.step.totals import shared_total, step_total, sub_batched_total


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
    stack: StackMemory = field(default_factory=StackMemory)
    """how its server divides memory"""
    served: Served = NOTHING
    """what its server adds"""
    expert_cost: CostModel | None = None
    """of another stack's expert kernels, where its server runs them"""
    waves: float = 0.0
    """requests per user of a run whose users all start at once; 0: a steady state"""
    share_steps: bool = True
    """plans whose prefill or decode step is the same share its cost"""


@dataclass(frozen=True)
class Phases:
    """Prefill of one request, one decode step, and a step that holds a chunk beside the decodes, [plans]."""

    prefill: StepTotal
    prefill_quantile_s: Column
    decode: StepTotal
    lane_batch: Column
    lanes: Column
    mixed: StepTotal | None = None
    """None where a step prefills or decodes"""
    chunks: Column = 1.0
    """steps that a prompt, or all that come together, is spread over"""
    together: Column = 1.0
    """prompts that share those steps"""
    full: StepTotal | None = None
    """a step that prefills as much as the budget allows, for runs whose users start at once"""
    full_prompts: Column = 1.0
    """prompts in it"""

    @property
    def stall_s(self) -> Column:
        """Seconds by which one prompt delays the decodes of its lane."""
        if self.mixed is None:
            return self.prefill.time_s
        return self.chunks * np.maximum(self.mixed.time_s - self.decode.time_s, 0.0) / self.together


def physics_of(setting: Setting, machine: Machine) -> Physics:
    """What prices the setting's steps."""
    more = setting.policy.imbalance_ratio, setting.served, setting.expert_cost
    return Physics(setting.model, machine, setting.cost_model, *more, overlap=overlap_of(setting.policy))


def phases(setting: Setting, machine: Machine, plan: PlanColumns, batch: Column) -> Phases:
    """Costs of the kinds of step."""
    physics = physics_of(setting, machine)
    lanes = np.minimum(batch, plan.attention_dp * plan.pp)
    lane_batch = batch / lanes
    demand = setting.demand
    prefill = whole_prefill(setting, physics, plan, demand.input.mean_tokens)
    typical = demand.input.quantile(setting.quantile)
    if typical == demand.input.mean_tokens:
        at_quantile = prefill.time_s
    else:
        at_quantile = whole_prefill(setting, physics, plan, typical).time_s
    decode = step(setting, physics, plan, decode_step(np.ceil(lane_batch), demand), setting.policy.graphs)
    full_prompts, packed = full_step(setting, lane_batch)
    full = step(setting, physics, plan, packed, False) if setting.waves else None
    if not setting.policy.mixes or not (setting.served.adds or setting.policy.fill_s):
        return Phases(prefill, at_quantile, decode, lane_batch, lanes, full=full, full_prompts=full_prompts)
    chunks, together, beside = mixed_step(setting, lane_batch)
    mixed = step(setting, physics, plan, beside, False)
    return Phases(prefill, at_quantile, decode, lane_batch, lanes, mixed, chunks, together, full, full_prompts)


def full_step(setting: Setting, lane_batch: Column) -> tuple[Column, StepColumns]:
    """(prompts, the step) of a prefill that fills the token budget, half of the lane decoding beside it."""
    inputs, budget = setting.demand.input.mean_tokens, float(setting.policy.token_budget)
    beside = np.ceil(lane_batch / 2.0) if setting.policy.mixes else 0.0
    prompts = np.minimum(np.maximum(budget - beside, 1.0) / inputs, lane_batch)
    sequences = np.maximum(np.floor(prompts), 1.0)
    own = np.minimum(prompts * inputs / sequences, inputs)
    past = np.maximum(inputs - own, 0.0) / 2.0
    return prompts, StepColumns(sequences, own, past, beside, setting.demand.decode_context_tokens)


def mixed_step(setting: Setting, lane_batch: Column) -> tuple[Column, Column, StepColumns]:
    """(steps, prompts in them, the mean one of them) that prefill beside the decodes of a lane.

    Prompts arrive at (b - 1) / O per decode step: where that is above one, as many share a step, and all are cut to
    the token budget.
    """
    demand, policy = setting.demand, setting.policy
    others = np.maximum(lane_batch - 1.0, 0.0)
    together = np.maximum(others / demand.output.mean_tokens, 1.0)
    room = np.maximum(policy.token_budget - others, 1.0)
    chunks = np.maximum(np.ceil(together * demand.input.mean_tokens / room), 1.0)
    own = demand.input.mean_tokens / chunks
    past = own * (chunks - 1.0) / 2.0
    return chunks, together, StepColumns(together, own, past, np.ceil(others), demand.decode_context_tokens)


def step(setting: Setting, physics: Physics, plan: PlanColumns, batch: StepColumns, graphs: bool) -> StepTotal:
    """One step, decode attention overlapped where the hardware can, filled with another job's work if there is one."""
    machine = physics.machine
    if machine.pim is not None and machine.pim.concurrent and setting.policy.sub_batches and batch.decodes:
        found = sub_batched_total(physics, plan, batch, graphs)
    else:
        total = shared_total if setting.share_steps and machine.is_one else step_total
        found = total(physics, plan, batch, graphs)
    fill_s = setting.policy.fill_s
    return found if fill_s == 0.0 else replace(found, launch_s=found.launch_s + np.maximum(fill_s - found.time_s, 0.0))


def whole_prefill(setting: Setting, physics: Physics, plan: PlanColumns, input_tokens: float) -> StepTotal:
    """One request's whole prompt."""
    chunks, chunk = prompt_steps(setting, input_tokens)
    one = step(setting, physics, plan, chunk, False)
    if chunks == 1.0:
        return one
    return StepTotal(**{f.name: chunks * getattr(one, f.name) for f in fields(one)})


def prompt_steps(setting: Setting, input_tokens: float) -> tuple[float, StepColumns]:
    """(steps, the mean one) of one request's whole prompt: one, or as many equal ones as the token budget cuts it
    into."""
    budget = float(setting.policy.token_budget)
    chunks = float(np.ceil(input_tokens / budget)) if setting.policy.mixes else 1.0
    if chunks <= 1.0:
        return 1.0, prefill_step(input_tokens)
    own = input_tokens / chunks
    return chunks, StepColumns(1.0, own, 0.5 * own * (chunks - 1.0))


def prefill_step(input_tokens: float) -> StepColumns:
    """One request's whole prompt."""
    return StepColumns(prefill_sequences=1.0, prefill_tokens=input_tokens)


def decode_step(sequences: Column, demand: Demand) -> StepColumns:
    """One token for each of `sequences` at the mean context."""
    return StepColumns(decode_sequences=sequences, kv_tokens=demand.decode_context_tokens)
