"""What a plan keeps in memory, per chip, and how many sequences fit: the one sizing that every engine uses.

A server's KV pool is what a card leaves after weights, the peak of a step and the runtime's own memory; how the parts
are taken off is the stack's rule (`StackMemory`).
"""

from __future__ import annotations

from dataclasses import field
from functools import cached_property

import numpy as np

from simcore.cost.cache_pages import CachePages, cache_pages
from simcore.kept.lazy import dataclass
from simcore.ops.build import local_shape
from simcore.ops.layer_formats import plan_of_ffn, plan_of_mixer
from simcore.ops.op import Column, PlanColumns
from simcore.spec.model import LayerGroup, Matrix, ModelSpec
from simcore.spec.stack import StackMemory


@dataclass(frozen=True)
class Load:
    """What is served: scalars, or arrays over plans."""

    context_tokens: float = 1152.0
    """of one sequence, when it ends"""
    sequences: Column = 1.0
    """in flight per attention-dp rank"""
    step_tokens: Column = 8192.0
    """of the longest step: the token budget, not a whole prompt"""
    sampled: float | None = None
    """most sequences of a step; None: the stack's default"""
    block_tokens: int = 16


@dataclass(frozen=True)
class Home:
    """Where it is held: one chip's main tier and how the stack divides it."""

    reported_bytes: Column
    """as software sees it"""
    stack: StackMemory = field(default_factory=StackMemory)
    fraction: float | None = None
    """None: the stack's default"""
    system_bytes: Column = 0.0
    """what the chip's own system keeps"""
    kv_tier_bytes: Column | None = None
    """capacity for KV outside the main tier; None: it lies in the main tier"""
    weights_away_ratio: float = 0.0
    """of the weights (routed experts apart), what lives in a slower tier and passes through"""
    experts_away_ratio: float = 0.0
    """the same of routed experts"""
    experts_stay: bool = False
    """routed experts that live elsewhere are used there, and none pass"""
    kv_passes: bool = False
    """KV that lives elsewhere is brought to the main tier a layer ahead"""
    kv_beside_weights: bool = False
    """KV lives in the tier that weights live in, and has what they leave of it"""

    @property
    def share(self) -> float:
        return self.stack.fraction if self.fraction is None else self.fraction


LAYERS_IN_FLIGHT = 2.0
"""of what passes through: one is computed with, the next arrives"""


@dataclass(frozen=True)
class Footprint:
    """Bytes per chip of the fullest pipeline stage, [plans]."""

    weights_bytes: Column
    """all of them, routed experts included"""
    experts_bytes: Column
    """routed experts alone"""
    away_bytes: Column
    """of the weights, what lives outside the main tier"""
    kv_bytes: Column
    """cache of the load's sequences, recurrent state included"""
    state_bytes: Column
    """recurrent state alone"""
    activation_bytes: Column
    buffer_bytes: Column
    """communication buffers and sampling, beyond the activations that they replace"""
    reserve_bytes: Column
    room_bytes: Column
    """left for the KV pool; negative where not even the weights fit"""
    resident_bytes: Column
    """what stands beside the pool in the main tier"""
    need_bytes: Column
    have_bytes: Column
    """what the server may use of the main tier"""
    pages: CachePages
    pool_context_tokens: float

    @cached_property
    def pool_pages(self) -> Column:
        """Pages of the KV pool."""
        return np.floor_divide(np.maximum(self.room_bytes, 0.0), self.pages.page_bytes)

    @property
    def kv_tokens(self) -> Column:
        """Tokens that the pool holds, as a server reports it: in sequences as long as the model allows."""
        block = self.pages.block_tokens
        context = np.ceil(self.pool_context_tokens / block) * block
        held: Column = np.floor(self.pool_pages * context / self.pages.of(context))
        return held

    def max_concurrency(self, context_tokens: Column) -> Column:
        """Sequences of this length that the pool of one attention-dp rank holds at once."""
        return np.floor_divide(self.pool_pages, self.pages.of(context_tokens))


def footprint(model: ModelSpec, plan: PlanColumns, load: Load, home: Home) -> Footprint:
    """Memory of plans under a load, [plans].

    With R the reported bytes, f the memory fraction, W weights, P the peak of a step (activations or sampling,
    whichever is more) and C the context, the room is f R - W - P - C (rule "card", vLLM), f (R - C) - W ("static",
    SGLang) or f (R - C - W - P) ("free", TensorRT-LLM).
    """
    weights = weight_bytes(model, plan)
    work = activation_bytes(model, plan, load.step_tokens)
    peak = np.maximum(work + link_bytes(model, plan, load.step_tokens), sampling_bytes(model, load, home))
    several = np.asarray(plan.replica_chips) > 1
    reserve = home.system_bytes + home.stack.context_bytes + np.where(several, home.stack.collective_bytes, 0.0)
    experts = expert_bytes(model, plan)
    away = home.weights_away_ratio * (weights - experts) + home.experts_away_ratio * experts
    moves = away - home.experts_away_ratio * experts if home.experts_stay else away
    passing = LAYERS_IN_FLIGHT * moves / np.ceil(model.layer_count / plan.pp)
    resident = weights - away + np.minimum(passing, moves) + peak + reserve
    per_sequence = kv_bytes_per_sequence(model, plan, load.context_tokens)
    if home.kv_passes:
        resident = resident + LAYERS_IN_FLIGHT * per_sequence * load.sequences / np.ceil(model.layer_count / plan.pp)
    room = _room_bytes(home, resident, peak, reserve)
    elsewhere = home.kv_tier_bytes is not None
    return Footprint(
        weights_bytes=weights,
        experts_bytes=experts,
        away_bytes=away,
        kv_bytes=per_sequence * load.sequences,
        state_bytes=kv_bytes_per_sequence(model, plan, 0.0) * load.sequences,
        activation_bytes=work,
        buffer_bytes=peak - work,
        reserve_bytes=reserve,
        room_bytes=room if home.kv_tier_bytes is None else home.kv_tier_bytes - home.kv_beside_weights * away,
        resident_bytes=resident,
        need_bytes=resident + (0.0 if elsewhere else per_sequence * load.sequences),
        have_bytes=resident + room,
        pages=cache_pages(model, plan, load.block_tokens),
        pool_context_tokens=float(model.max_context_tokens or load.context_tokens),
    )


def _room_bytes(home: Home, resident: Column, peak: Column, reserve: Column) -> Column:
    """What the stack's rule leaves of the main tier for KV."""
    if home.stack.rule == "static":
        return home.share * (home.reported_bytes - reserve) - (resident - peak - reserve)
    if home.stack.rule == "free":
        return home.share * (home.reported_bytes - resident)
    return home.share * home.reported_bytes - resident


def sampling_bytes(model: ModelSpec, load: Load, home: Home) -> Column:
    """What sampling the most sequences of a step at once holds."""
    most: Column
    if load.sampled is not None:
        most = load.sampled
    else:
        large = np.asarray(home.reported_bytes) >= home.stack.large_bytes
        most = np.where(large, home.stack.large_sequences or home.stack.sequences, home.stack.sequences)
    return most * model.vocab_size * home.stack.logit_bytes


def link_bytes(model: ModelSpec, plan: PlanColumns, tokens: Column) -> Column:
    """Two communication buffers of a step, where a replica has several chips."""
    several = np.where(np.asarray(plan.replica_chips) > 1, 2.0, 0.0)
    return several * tokens / plan.cp * model.hidden_size * plan.activation_bytes


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
        own = plan_of_mixer(plan, group).weight_bytes
        total = total + group.mixer.small_elements() * 2.0
        total = total + sum(_local(m, plan) for m in group.mixer.matrices(model.hidden_size)) * own
    plan = plan_of_ffn(plan, group)
    for block in group.ffn:
        routed = sum(m.elements for m in block.routed(model.hidden_size)) / (plan.ep * plan.moe_tp)
        cut = sum((_local(m, plan) for m in block.cut(model.hidden_size)), 0.0)
        total = total + routed * plan.expert_bytes + cut * plan.weight_bytes
        total = total + block.whole_elements(model.hidden_size) * 2.0
    return total


def expert_bytes(model: ModelSpec, plan: PlanColumns) -> Column:
    """Routed experts on one chip of the fullest stage."""
    total: Column = 0.0
    for group in model.layers:
        routed = sum(m.elements for f in group.ffn for m in f.routed(model.hidden_size))
        held = plan_of_ffn(plan, group).expert_bytes
        total = total + group.count * routed / (plan.ep * plan.moe_tp) * held
    return total * stage_share(model, plan)


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
        kept = context_tokens if mixer.kept_tokens is None else np.minimum(context_tokens, mixer.kept_tokens)
        per_layer: Column = (mixer.state_elements * 4.0 + mixer.conv_elements * plan.activation_bytes) / plan.tp
        if mixer.kv_elements_per_token:
            split = np.minimum(plan.tp, mixer.cache_pieces)
            held = plan_of_mixer(plan, group).kv_bytes
            per_layer = per_layer + mixer.kv_elements_per_token / split * kept * held / plan.cp
        total = total + group.count * per_layer
    return total * stage_share(model, plan)


def activation_bytes(model: ModelSpec, plan: PlanColumns, tokens: Column) -> Column:
    """Peak activations of a step of `tokens` (spread over cp) on one chip: residual, normed copy and the widest block.

    Inference frees a layer's activations after it; two live copies of the hidden state and of the widest matrix's
    output are what remains.
    """
    widest: Column = 0.0
    for group in model.layers:
        blocks: list[Matrix] = [] if group.mixer is None else list(group.mixer.matrices(model.hidden_size))
        for block in group.ffn:
            if block.routed_experts:
                wide = block.routed(model.hidden_size)[0].outputs * block.chosen_experts
                widest = np.maximum(widest, wide / plan.ep / plan.moe_tp * plan.attention_dp)
            else:
                blocks += block.cut(model.hidden_size)
        for weights in blocks:
            widest = np.maximum(widest, local_shape(weights, plan.tp)[0])
    return tokens / plan.cp * (2.0 * model.hidden_size + 1.5 * widest) * plan.activation_bytes
