"""Expert layers: router, dispatch, grouped matrices, combine, shared experts."""

from __future__ import annotations

import numpy as np

from simcore.ops.build import collective, elementwise, gemm
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.spec.model import ModelSpec, Moe


def lower(model: ModelSpec, block: Moe, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """One expert layer, `count` times.

    The experts of a layer are spread over ep groups of moe_tp ranks (ep x moe_tp = tp x attention_dp x cp). With
    attention data parallelism tokens travel by all-to-all; without it every rank already holds them and one all-reduce
    adds the partial outputs. Shared experts run on the token's own rank, split over tp like a dense MLP.
    """
    own = step.rank_tokens(plan.cp)
    router = block.router(model.hidden_size)
    ops = [
        gemm(router, own, plan, count, 2.0),
        elementwise("routing", count, 6.0 * own * block.experts * 4.0),
    ]
    for weights in block.shared(model.hidden_size):
        ops.append(gemm(weights, own, plan, count, plan.weight_bytes))
    tokens = step.tokens * plan.attention_dp
    ops.append(experts(model, block, count, plan, tokens))
    width = model.hidden_size * plan.activation_bytes
    ops.append(elementwise("expert_combine", count, tokens * block.topk / plan.ep * width * 2.0, kernels=2))
    return ops + exchange(model, block, count, plan, step)


def touched_experts(experts: Column, topk: float, tokens: Column) -> Column:
    """Expected experts with at least one token under uniform routing: E (1 - (1 - k/E)^t).

    >>> float(touched_experts(8, 2, 1.0)), round(float(touched_experts(256, 8, 1000.0)))
    (2.0, 256)
    """
    return experts * (1.0 - (1.0 - topk / experts) ** tokens)


def experts(model: ModelSpec, block: Moe, count: int, plan: PlanColumns, tokens: Column) -> Op:
    """Both grouped matrices of the routed experts on one rank, as one operation."""
    elements = sum(m.inputs * m.outputs for m in block.routed(model.hidden_size)) / plan.moe_tp
    pairs = tokens * block.topk / plan.ep
    touched = touched_experts(block.experts, block.topk, tokens) / plan.ep
    inner = block.intermediate_size / plan.moe_tp * (3.0 if block.gated else 2.0)
    return Op(
        "experts",
        "moe",
        "expert",
        count,
        flop=2.0 * pairs * elements,
        stream_bytes=touched * elements * plan.expert_bytes,
        cache_bytes=pairs * (2.0 * model.hidden_size + 2.0 * inner) * plan.activation_bytes,
        shape={
            "num_tokens": tokens,
            "hidden_size": float(model.hidden_size),
            "inter_size": float(block.intermediate_size),
            "topk": float(block.topk),
            "num_experts": float(block.experts),
            "moe_tp_size": plan.moe_tp,
            "moe_ep_size": plan.ep,
            "distribution": "balanced",
        },
        kernels=3,
    )


def exchange(model: ModelSpec, block: Moe, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Dispatch and combine: all-to-all where attention is data parallel, else one all-reduce over tp x cp.

    A token's copies go to the ep groups that hold its experts, ep (1 - (1 - 1/ep)^k) of them under uniform routing, and
    to all moe_tp ranks of each.
    """
    spread = np.asarray(plan.attention_dp) > 1
    size = step.tokens * model.hidden_size * plan.activation_bytes
    own = step.rank_tokens(plan.cp) * model.hidden_size * plan.activation_bytes
    ops = []
    if np.any(np.asarray(plan.tp * plan.cp) > 1):
        group = np.where(spread, plan.tp, plan.tp * plan.cp)
        ops.append(collective("all_reduce", "experts", count, np.where(spread, own, size), group))
    if np.any(spread):
        travels = np.where(spread, count, 0.0)
        ranks = plan.tp * plan.attention_dp * plan.cp
        copies = touched_experts(plan.ep, 1.0, float(block.topk)) * plan.moe_tp
        sent = own / plan.tp * copies
        ops.append(collective("all_to_all", "dispatch", travels, sent, ranks))
        ops.append(collective("all_to_all", "combine", travels, sent, ranks))
    return ops
