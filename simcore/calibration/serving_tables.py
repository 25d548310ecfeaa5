"""Step times of one plan in parts, so that a stack's few parameters scale them without asking the cost model again."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from simcore.ops.op import PlanColumns, StepColumns
from simcore.ops.transformer import lower
from simcore.spec.formats import number_format
from simcore.step.price import Physics
from simcore.step.sample import ATTENTION, HEAD, physics_step_times
from simcore.step.times import Floats, SampleRange, StepTimes, Table

PEER_SHARE = 0.2
"""how many of its tokens each other attention-dp rank adds while one prefills: most are decoding then"""
FUSED_LEAST = 0.5
"""share of the matrices' time that fusing their quantisation leaves at least"""
RAMP_TOKENS = (256.0, 1024.0)
"""between these batch sizes matrices go from memory bound to compute bound"""


@dataclass(frozen=True)
class ServingParameters:
    """What one stack adds to the operators; ratios multiply times, all positive.

    Small steps take dense matrices, experts, collectives and elementwise work as the operators say: ratios on them
    helped curves that were fitted and hurt models and systems that were not.
    """

    fused_layer_s: float = 0.0
    """per layer with dense matrices in eight bits (no block scales), off: their tables time the quantisation that
    servers fuse into what comes before; not on the second client's older servers"""
    large_ratio: float = 1.0
    """dense matrices of large steps"""
    expert_large_ratio: float = 1.0
    """experts of large steps"""
    attention_ratio: float = 1.0
    layer_s: float = 0.0
    """per layer and step: gaps and small kernels that no table has, less what graphs hide of kernels measured alone"""
    launch_layer_s: float = 0.0
    """per layer of a step with a prefill chunk at least: its kernels are launched one by one"""
    host_s: float = 2.5e-4
    """per step; not fitted"""
    mixed_host_s: float = 5e-4
    """per step with a prefill chunk, on top; not fitted"""
    other_host_s: float = 0.0
    """per step, on top, of the servers of the client with fixed lengths (older releases, no overlap of scheduling)"""
    sequence_s: float = 0.0
    """per step and sequence: sampler, detokeniser and stream of one token"""
    first_token_s: float = 0.0
    """HTTP and detokeniser, once per request"""
    token_s: float = 0.0
    """tokeniser, per input token, one prompt after the other"""

    def vector(self) -> Floats:
        """All parameters in order."""
        return np.array([getattr(self, f.name) for f in fields(self)])


@dataclass(frozen=True)
class StepParts:
    """Unscaled tables of one plan, and dense work by kind: `pure`, `mixed` map kind to `[tokens]` seconds."""

    times: StepTimes
    pure: dict[str, Floats]
    mixed: dict[str, Floats]
    layers: int
    ranks: float = 1.0
    """attention-dp ranks that share the experts"""
    eight_bit: bool = False
    """dense matrices with one scale per tensor or row, whose quantisation a norm can do"""


def step_parts(physics: Physics, plan: PlanColumns, reach: SampleRange, experts: Physics | None = None) -> StepParts:
    """Sample one plan's step times, dense work split into matrices, experts and elementwise.

    `experts`: another cost model that answers for the experts alone, where a server ran another stack's kernels.
    """
    times = physics_step_times(physics, plan, True, reach)
    tokens = np.maximum(times.dense_pure.x.knots(), 1.0)
    decodes = StepColumns(decode_sequences=tokens, kv_tokens=np.ones_like(tokens))
    chunk = StepColumns(prefill_sequences=np.ones_like(tokens), prefill_tokens=tokens)
    pure, mixed = (dense_work(physics, plan, step, graphs) for step, graphs in ((decodes, True), (chunk, False)))
    if experts is not None:
        for work, step, graphs in ((pure, decodes, True), (mixed, chunk, False)):
            work["expert"] = dense_work(experts, plan, step, graphs)["expert"]
    return StepParts(
        times,
        pure,
        mixed,
        physics.model.layer_count,
        float(np.max(plan.attention_dp)),
        number_format(physics.machine.formats[0]).name == "fp8",
    )


def dense_work(physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool) -> dict[str, Floats]:
    """Seconds of everything but attention, head and communication, by kind, `[steps]`."""
    ops = lower(physics.model, plan, step)
    costs = physics.cost_model.costs(ops, physics.machine, plan, graphs)
    sums: dict[str, Any] = {"matrix": 0.0, "expert": 0.0, "elementwise": 0.0}
    for op, cost in zip(ops, costs, strict=True):
        if op.role == "none" or op.kind in ATTENTION or op.name in HEAD:
            continue
        kind = {"gemm": "matrix", "moe": "expert"}.get(op.kind, "elementwise")
        busy = physics.imbalance_ratio if op.kind == "moe" else 1.0
        sums[kind] = sums[kind] + op.count * (busy * np.maximum(cost.compute_s, cost.memory_s) + cost.launch_s)
    size = np.shape(step.decode_sequences) or np.shape(step.prefill_tokens)
    return {kind: np.broadcast_to(value, size).astype(float) for kind, value in sums.items()}


def scaled(
    parts: StepParts,
    by: ServingParameters,
    other_server: bool = False,
    peer_share: float = PEER_SHARE,
    least_expert_tokens: float = 0.0,
) -> StepTimes:
    """`StepTimes` of a stack with these parameters; `other_server`: with `other_host_s`; `peer_share`: see there.

    Fewer tokens than `least_expert_tokens` cost their experts as many: kernels that pad every expert to a whole tile
    read all of them in every step.
    """
    host_s = by.host_s + by.other_host_s * other_server
    times = parts.times
    tokens = np.maximum(times.dense_pure.x.knots(), 1.0)
    low, high = np.log(RAMP_TOKENS)
    ramp = np.clip((np.log(tokens) - low) / (high - low), 0.0, 1.0)
    matrix_ratio = by.large_ratio**ramp
    fused_s = parts.layers * by.fused_layer_s * (parts.eight_bit and not other_server)
    expert_ratio = by.expert_large_ratio**ramp
    gaps_s = parts.layers * by.layer_s
    together = np.maximum(tokens * (peer_share + (1.0 - peer_share) / parts.ranks), least_expert_tokens)
    mixed = {**parts.mixed, "expert": np.interp(together, tokens, parts.mixed["expert"])}
    pure = {**parts.pure, "expert": np.interp(np.maximum(tokens, least_expert_tokens), tokens, parts.pure["expert"])}

    def dense(work: dict[str, Floats]) -> Table:
        matrices = matrix_ratio * np.maximum(work["matrix"] - fused_s, FUSED_LEAST * work["matrix"])
        return Table(times.dense_pure.x, matrices + expert_ratio * work["expert"] + work["elementwise"] + gaps_s)

    def times_ratio(table: Table, ratio: float) -> Table:
        return Table(table.x, table.values * ratio, table.y)

    def at_least(table: Table, least_s: float) -> Table:
        return Table(table.x, np.maximum(table.values, least_s))

    return replace(
        times,
        dense_pure=dense(pure),
        dense_mixed=at_least(dense(mixed), parts.layers * by.launch_layer_s),
        prefill=times_ratio(times.prefill, by.attention_ratio),
        decode_pure=times_ratio(times.decode_pure, by.attention_ratio),
        decode_mixed=times_ratio(times.decode_mixed, by.attention_ratio),
        head=Table(times.head.x, times.head.values + by.sequence_s * times.head.x.knots()),
        host_pure_s=host_s,
        host_mixed_s=host_s + by.mixed_host_s,
    )
