"""What a plan keeps in memory, per chip: weights, KV cache, activations, buffers, the runtime's reserve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simcore.ops.build import local_shape
from simcore.ops.op import Column, PlanColumns
from simcore.spec.model import Attention, LayerGroup, Matrix, Mla, ModelSpec, Moe


@dataclass(frozen=True)
class Footprint:
    """Bytes per chip of the busiest pipeline stage, [plans]."""

    weights_bytes: Column
    kv_bytes: Column
    activation_bytes: Column
    buffer_bytes: Column
    reserve_bytes: Column

    @property
    def total_bytes(self) -> Column:
        return self.weights_bytes + self.kv_bytes + self.activation_bytes + self.buffer_bytes + self.reserve_bytes


def stage_share(model: ModelSpec, plan: PlanColumns) -> Column:
    """Share of the layers on the fullest stage: ceil(L / pp) / L."""
    return np.ceil(model.layer_count / plan.pp) / model.layer_count


def weight_bytes(model: ModelSpec, plan: PlanColumns) -> Column:
    """Weights on one chip of the fullest stage, embedding or LM head included. Shapes [plans]."""
    layers: Column = 0.0
    for group in model.layers:
        layers = layers + group.count * layer_weight_bytes(model, group, plan)
    tables = model.vocab_size * model.hidden_size * plan.head_bytes / plan.tp
    both = 1.0 if model.tied_embeddings else np.where(np.asarray(plan.pp) > 1, 1.0, 2.0)
    positions = model.position_tokens * model.hidden_size * plan.head_bytes / plan.tp
    return layers * stage_share(model, plan) + tables * both + positions


def layer_weight_bytes(model: ModelSpec, group: LayerGroup, plan: PlanColumns) -> Column:
    """One layer's weights on one rank."""
    total: Column = group.norms * model.hidden_size * 2.0
    if group.mixer is not None:
        total = total + group.mixer.small_elements() * 2.0
        total = total + sum(_local(m, plan) for m in group.mixer.matrices(model.hidden_size)) * plan.weight_bytes
    for block in group.ffn:
        if isinstance(block, Moe):
            routed = sum(m.elements for m in block.routed(model.hidden_size)) / (plan.ep * plan.moe_tp)
            shared = sum((_local(m, plan) for m in block.shared(model.hidden_size)), 0.0)
            total = total + routed * plan.expert_bytes + shared * plan.weight_bytes
            total = total + block.router(model.hidden_size).elements * 2.0
        else:
            total = total + sum(_local(m, plan) for m in block.matrices(model.hidden_size)) * plan.weight_bytes
    return total


def _local(weights: Matrix, plan: PlanColumns) -> Column:
    n, k = local_shape(weights, plan.tp)
    return n * k


def kv_bytes_per_sequence(model: ModelSpec, plan: PlanColumns, context_tokens: Column) -> Column:
    """Cache and state of one sequence on one chip, at a context length. Shapes [plans].

    KV heads are replicated when tp exceeds them; a latent cache is replicated on every tp rank; windowed and chunked
    layers keep at most their window or chunk; recurrent layers keep their state in fp32.
    """
    total: Column = 0.0
    for group in model.layers:
        mixer = group.mixer
        if mixer is None:
            continue
        if isinstance(mixer, Attention):
            kept = context_tokens if mixer.span_tokens is None else np.minimum(context_tokens, mixer.span_tokens)
            split = np.minimum(plan.tp, mixer.kv_heads)
            per_layer = mixer.kv_elements_per_token / split * kept * plan.kv_bytes / plan.cp
        elif isinstance(mixer, Mla):
            per_layer = mixer.kv_elements_per_token * context_tokens * plan.kv_bytes / plan.cp
        else:
            per_layer = (mixer.state_elements * 4.0 + mixer.conv_elements * plan.activation_bytes) / plan.tp
        total = total + group.count * per_layer
    return total * stage_share(model, plan)


def activation_bytes(model: ModelSpec, plan: PlanColumns, tokens: Column) -> Column:
    """Peak activations of a step of `tokens` on one chip: residual, normed copy and the widest block, plus logits.

    Inference frees a layer's activations after it; two live copies of the hidden state and of the widest matrix's
    output are what remains.
    """
    widest: Column = 0.0
    for group in model.layers:
        blocks: list[Matrix] = [] if group.mixer is None else list(group.mixer.matrices(model.hidden_size))
        for block in group.ffn:
            if isinstance(block, Moe):
                routed = block.routed(model.hidden_size)[0]
                widest = np.maximum(widest, routed.outputs * block.topk / plan.ep / plan.moe_tp * plan.attention_dp)
            else:
                blocks += block.matrices(model.hidden_size)
        for weights in blocks:
            widest = np.maximum(widest, local_shape(weights, plan.tp)[0])
    return tokens * (2.0 * model.hidden_size + 1.5 * widest) * plan.activation_bytes


def buffer_bytes(model: ModelSpec, plan: PlanColumns, sequences: Column, tokens: Column) -> Column:
    """Logits in fp32 of every sampled sequence; for several chips also two communication buffers of a step."""
    logits = sequences * model.vocab_size * 4.0
    links = np.where(np.asarray(plan.replica_chips) > 1, 2.0, 0.0) * tokens * model.hidden_size * plan.activation_bytes
    return logits + links
