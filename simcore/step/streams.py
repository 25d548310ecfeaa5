"""What passes through the main tier in a step: weights, the experts that tokens ask for, KV a layer ahead."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from simcore.cost.expert_cache import missed_ratio
from simcore.cost.machine import Machine
from simcore.cost.memory import expert_bytes, weight_bytes
from simcore.cost.residency import Stream, stream_of
from simcore.ops.op import Column, Op, PlanColumns
from simcore.spec.model import ModelSpec


def streamed(machine: Machine, model: ModelSpec, plan: PlanColumns, ops: Sequence[Op]) -> Stream | None:
    """All streams of a step with these operations; None where everything is resident."""
    found = (
        weight_stream(machine, model, plan),
        routed_stream(machine, model, plan, ops),
        kv_stream(machine, model, ops),
    )
    some = [stream for stream in found if stream is not None]
    return reduce(Stream.and_then, some) if some else None


def weight_stream(machine: Machine, model: ModelSpec, plan: PlanColumns) -> Stream | None:
    """What of the weights passes through once a step, [plans]; None where all are resident. Routed experts come behind
    the other weights of their layer."""
    whole = machine.experts_away_ratio and machine.routing[0] == "all"
    if not machine.weights_away_ratio and not whole:
        return None
    experts = expert_bytes(model, plan) * plan.pp
    others = weight_bytes(model, plan) * plan.pp - experts
    stream_s: Column = machine.weights_away_ratio * others / machine.weight_bytes_per_s
    latency_s = machine.weight_latency_s if machine.weights_away_ratio else 0.0
    if model.is_moe and machine.routing[0] == "all":
        stream_s = stream_s + machine.experts_away_ratio * experts / machine.expert_bytes_per_s
        latency_s = max(latency_s, machine.expert_latency_s if machine.experts_away_ratio else 0.0)
    return stream_of(stream_s, model.layer_count, latency_s, machine.fetch)


def missed(machine: Machine, model: ModelSpec, away_ratio: float) -> float:
    """Share of the experts that tokens ask for which the main tier does not hold."""
    _, rule, skew, repeat = machine.routing
    chosen = max(block.chosen_experts for group in model.layers for block in group.ffn)
    return missed_ratio(model.experts, chosen, away_ratio, rule, skew, repeat)


def routed_stream(machine: Machine, model: ModelSpec, plan: PlanColumns, ops: Sequence[Op]) -> Stream | None:
    """The experts that the step's tokens ask for and the main tier does not hold; None where all are at hand.

    `gated`: each layer waits for its own behind its router; `pre-gated`: they are known, and come, a layer ahead;
    `speculative`: as many are guessed and come a layer ahead, and each layer waits for those that were guessed wrong;
    `host`: each layer waits for the host, max(bytes / B, flop / F) of its part and its tokens there and back.
    """
    fetch = machine.routing[0]
    if fetch == "all" or not machine.experts_away_ratio or not model.is_moe:
        return None
    own = [op for op in ops if op.name == "experts"]
    asked: Column = sum((op.count * op.stream_bytes for op in own), 0.0)
    layers = round(float(np.max(sum((op.count for op in own), 0.0))))
    time_s = asked / machine.expert_bytes_per_s
    if fetch == "host":
        flop: Column = sum((op.count * op.flop for op in own), 0.0)
        sent: Column = sum((op.count * sent_bytes(op, model, plan) for op in own), 0.0)
        time_s = np.maximum(time_s, flop / machine.host_flop_per_s) + sent / machine.host_link_bytes_per_s
    late_s, time_s = machine.expert_latency_s, missed(machine, model, machine.experts_away_ratio) * time_s
    if fetch == "speculative":
        wrong = stream_of((1.0 - machine.guessed_ratio) * time_s, layers, late_s, "demand")
        return stream_of(time_s, layers, late_s, "prefetch").and_then(wrong)
    return stream_of(time_s, layers, late_s, "prefetch" if fetch == "pre-gated" else "demand")


def sent_bytes(op: Op, model: ModelSpec, plan: PlanColumns) -> Column:
    """Hidden states of an expert layer's tokens, to the experts and back."""
    shape: dict[str, Any] = op.shape
    pairs: Column = shape["num_tokens"] * shape["topk"] / plan.ep
    return 2.0 * pairs * model.hidden_size * plan.activation_bytes


def kept_ratio(machine: Machine, model: ModelSpec) -> float:
    """Share of the routed experts' work that the chip does itself."""
    if not machine.experts_host_ratio or not model.is_moe:
        return 1.0
    return 1.0 - missed(machine, model, machine.experts_host_ratio)


def kv_stream(machine: Machine, model: ModelSpec, ops: Sequence[Op]) -> Stream | None:
    """The step's KV behind the weights of each layer; None where it is not brought a layer ahead."""
    if not np.isfinite(machine.kv_ahead_bytes_per_s):
        return None
    read = sum((op.count * op.stream_bytes for op in ops if op.role == "attention"), 0.0)
    return stream_of(read / machine.kv_ahead_bytes_per_s, model.layer_count, float(np.max(machine.kv_latency_s)))
