"""Lowering: a model, plans and batches to the operations of one step, arrays over plans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simcore.ops.blocks import lowering
from simcore.ops.build import collective, elementwise, gemm, local_shape
from simcore.ops.layer_formats import in_formats, plan_of_ffn, plan_of_mixer
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.spec.model import LayerGroup, ModelSpec


def lower(model: ModelSpec, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Operations of one forward step of a whole replica, as one chip of each stage executes them.

    `count` adds up all layers: with pp stages a token passes through every one, so the sum of count x time is the time
    of one microbatch through the pipeline. Shapes [plans]. The step belongs to one attention-dp rank; expert layers see
    the tokens of all of them.
    """
    ops = [embedding(model, plan, step)]
    for group in model.layers:
        seen = step if group.prefill == "all" or not step.prefills else last_token(step)
        own, mixing, feeding = group.formats, plan_of_mixer(plan, group), plan_of_ffn(plan, group)
        if group.mixer is not None:
            found = lowering(group.mixer.kind)(model, group.mixer, group.count, mixing, seen)
            ops += in_formats(found, own, "mixer")
        for block in group.ffn:
            ops += in_formats(lowering(block.kind)(model, block, group.count, feeding, seen), own, "ffn")
        ops += norms(model, group, plan, seen)
        if group.prefill == "cache" and step.prefills:
            ops += in_formats(cached_only(model, group, mixing, step), own, "mixer")
    ops += head(model, plan, step)
    if np.any(np.asarray(plan.pp) > 1):
        ops.append(stage_transfer(model, plan, step))
    return ops


def last_token(step: StepColumns) -> StepColumns:
    """The step of a layer whose prefill computes the last token of each prompt only."""
    new = np.minimum(step.prefill_tokens, 1.0)
    return replace(step, prefill_tokens=new, past_tokens=step.past_tokens + step.prefill_tokens - new)


def cached_only(model: ModelSpec, group: LayerGroup, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """The cache of a prompt's other tokens: its projection and its write, nothing else."""
    found = None if group.mixer is None else group.mixer.cache_matrix(model.hidden_size)
    if found is None:
        return []
    tokens = step.prefill_sequences * np.maximum(step.prefill_tokens - 1.0, 0.0) / plan.cp
    width = local_shape(found, plan.tp)[0]
    written = tokens * width * (plan.activation_bytes + plan.kv_bytes)
    return [gemm(found, tokens, plan, group.count, plan.weight_bytes), elementwise("cache_write", group.count, written)]


def embedding(model: ModelSpec, plan: PlanColumns, step: StepColumns) -> Op:
    """One table row per token, split over tp by vocabulary."""
    row = model.hidden_size * (plan.head_bytes + plan.activation_bytes)
    return Op("embedding", "elementwise", "vector", 1.0, cache_bytes=step.rank_tokens(plan.cp) * row)


def norms(model: ModelSpec, group: LayerGroup, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Normalisation fused with the residual add: read x and residual, write both; sharded under sp."""
    if not group.norms:
        return []
    tokens = step.rank_tokens(plan.cp) / np.where(np.asarray(plan.sp) > 0, plan.tp, 1.0)
    width = model.hidden_size * plan.activation_bytes
    return [
        elementwise("norm_residual", group.count * group.norms, 4.0 * tokens * width, 8.0 * tokens * model.hidden_size)
    ]


def head(model: ModelSpec, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Final norm, LM head split over vocabulary, gather of logits, sampling."""
    rows = step.sequences
    vocab = model.vocab_size / plan.tp
    ops = [
        elementwise("final_norm", 1.0, 2.0 * step.rank_tokens(plan.cp) * model.hidden_size * plan.activation_bytes),
        Op(
            "lm_head",
            "gemm",
            "matrix",
            1.0,
            flop=2.0 * rows * vocab * model.hidden_size,
            stream_bytes=vocab * model.hidden_size * plan.head_bytes,
            cache_bytes=rows * (model.hidden_size + vocab) * plan.activation_bytes,
            shape={"m": rows, "n": vocab, "k": float(model.hidden_size)},
        ),
        elementwise("sampling", 1.0, 3.0 * rows * model.vocab_size * 4.0, 5.0 * rows * model.vocab_size, kernels=4),
    ]
    if np.any(np.asarray(plan.tp) > 1):
        ops.append(collective("all_gather", "logits", 1.0, rows * model.vocab_size * plan.activation_bytes, plan.tp))
    return ops


def stage_transfer(model: ModelSpec, plan: PlanColumns, step: StepColumns) -> Op:
    """Activations sent from each pipeline stage to the next; a stage's chips each send their share."""
    share = step.rank_tokens(plan.cp) * model.hidden_size * plan.activation_bytes / plan.tp
    stride = plan.tp * plan.attention_dp * plan.cp
    shape: dict[str, Column | str] = {"op": "send", "message_bytes": share}
    return Op("stage_send", "transfer", "none", plan.pp - 1.0, shape=shape, group=plan.pp, stride=stride)
