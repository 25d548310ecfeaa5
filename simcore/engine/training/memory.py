"""Memory of a training plan, per pipeline rank: weights, gradients, states, activations by kind, buffers, copies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from simcore.cost import memory
from simcore.cost.activations import kept_bytes, logit_bytes, total_bytes
from simcore.engine.training.job import Job
from simcore.ops.op import Array, Column
from simcore.ops.training import Share
from simcore.result import DoesNotFit
from simcore.spec.model import ModelSpec

CLASSES = ("weights", "gradients", "optimizer", "activations", "working", "logits", "unsharded", "buffers", "reserve")


@dataclass(frozen=True)
class Holdings:
    """Bytes per chip of every pipeline rank, [ranks] each."""

    weights: Array
    gradients: Array
    optimizer: Array
    activations: Array
    working: Array
    """of the layer that is computed again or whose gradients are formed"""
    logits: Array
    unsharded: Array
    """whole copies of sharded weights and gradients"""
    buffers: Array
    """of collectives, and what the allocator loses"""
    reserve: Array
    have_bytes: float

    @property
    def need(self) -> Array:
        """[ranks]"""
        return np.asarray(np.sum([getattr(self, name) for name in CLASSES], axis=0))

    @cached_property
    def fullest(self) -> int:
        return int(np.argmax(self.need))

    def classes(self) -> dict[str, float]:
        """Of the fullest rank."""
        return {f"{name}_bytes": float(getattr(self, name)[self.fullest]) for name in CLASSES}

    @property
    def infeasible(self) -> DoesNotFit | None:
        """The typed reason where the fullest rank does not fit."""
        need = float(self.need.max())
        return DoesNotFit("main", need, self.have_bytes) if need > self.have_bytes else None


def layer_elements(model: ModelSpec, share: Share) -> tuple[Column, Column]:
    """(dense, routed) weight elements of a mean layer on one rank, [plans]."""
    dense: Column = 0.0
    routed: Column = 0.0
    plan = share.plan
    for group in model.layers:
        every = memory.layer_weight_bytes(model, group, plan) / 2.0
        own = sum(m.elements for f in group.ffn for m in f.routed(model.hidden_size)) / (share.ep * share.expert_tp)
        routed = routed + group.count * own
        dense = dense + group.count * (every - own)
    return dense / model.layer_count, routed / model.layer_count


def sharded_ways(job: Job) -> tuple[float, float]:
    """Ranks that hold the same (dense, routed) weights, within the shards that are asked."""
    d, r = job.degrees, job.recipe
    dense = float(d.dp * d.cp)
    routed = max(1.0, float(d.dp * d.cp * d.tp) / (d.ep * r.expert_tp))
    most = float(r.shards) if r.shards else np.inf
    return min(dense, most), min(routed, most)


def rank_elements(job: Job) -> tuple[Array, Array]:
    """(dense, routed) weight elements of every pipeline rank on one chip, tables at the ends."""
    model, d = job.trainee.model, job.degrees
    dense, routed = layer_elements(model, job.share)
    rank_of, layers = job.chains, np.zeros(d.pp)
    for chain in rank_of:
        np.add.at(layers, chain, job.chunk_layers)
        layers[chain[-1]] += job.extra_layers
    tables = model.head_elements / d.tp
    own = layers * float(dense)
    first, last = rank_of[0][0], rank_of[0][-1]
    own[first] += tables
    if not (model.tied_embeddings and first == last):
        own[last] += tables
    return own, layers * float(routed)


def activation_rank_bytes(job: Job) -> float:
    """Kept by one mean layer of a microbatch."""
    model, total = job.trainee.model, 0.0
    share = job.again_ratio()
    for group in model.layers:
        kept = float(np.max(total_bytes(kept_bytes(model, group, job.share, job.keeping))))
        if share < 1.0:
            whole = replace(job.keeping, recompute="none", modules=())
            every = float(np.max(total_bytes(kept_bytes(model, group, job.share, whole))))
            kept = share * kept + (1.0 - share) * every
        total += group.count * kept
    return total / model.layer_count


def holdings(job: Job, peak_layers: Array) -> Holdings:
    """Memory where each rank holds so many layers' activations at its peak."""
    model, r = job.trainee.model, job.recipe
    dense, routed = rank_elements(job)
    ways, routed_ways = sharded_ways(job)
    zero = r.zero
    width = float(model.hidden_size)
    kept = activation_rank_bytes(job)
    ranks = len(dense)
    every = dense + routed
    trained = every if job.trains_all else every * _adapter_ratio(job)

    def sharded(level: int, each: float) -> Array:
        parts = zip((dense, routed), (ways, routed_ways), strict=True)
        found = sum(part / (count if zero >= level else 1.0) for part, count in parts)
        return np.asarray(found * each * (trained / every), float)

    states = job.optimizer.state_bytes(1.0, width, float(r.optimizer_rank))
    logits = np.zeros(ranks)
    logits[job.chains[0][-1]] = float(np.max(logit_bytes(model, job.share)))
    working = _working_bytes(job) if r.recompute in ("full", "alternate") else 0.0
    left = {name: 1.0 - away.share for name, away in job.offload.items()}
    activations = peak_layers * kept * left.get("activations", 1.0)
    weights = sharded(3, 2.0) if job.trains_all else every * 2.0 / (ways if zero >= 3 else 1.0)
    return Holdings(
        weights=weights * left.get("weights", 1.0),
        gradients=sharded(2, job.gradient_bytes) * left.get("gradients", 1.0),
        optimizer=sharded(1, float(np.max(states))) * left.get("optimizer", 1.0),
        activations=activations,
        working=np.full(ranks, working),
        logits=logits,
        unsharded=_unsharded_bytes(job, every),
        buffers=job.constants.fragment_ratio * (activations + logits) + _link_bytes(job),
        reserve=np.full(ranks, job.reserve_bytes),
        have_bytes=job.have_bytes,
    )


def _adapter_ratio(job: Job) -> float:
    """Trained over all parameters under LoRA: r (n + k) of n k, about 2 r / hidden."""
    return min(1.0, 2.0 * job.recipe.lora_rank / job.trainee.model.hidden_size)


def _working_bytes(job: Job) -> float:
    """One layer with everything that its gradients need."""
    model = job.trainee.model
    plain = replace(job.keeping, recompute="none", modules=())
    return max(float(np.max(total_bytes(kept_bytes(model, g, job.share, plain)))) for g in model.layers)


def _unsharded_bytes(job: Job, every: Array) -> Array:
    """FSDP under a pipeline keeps a stage's weights and gradients whole between microbatches; else two layers are whole
    while they are computed."""
    if job.recipe.zero < 3:
        return np.zeros(len(every))
    each = 2.0 + (job.gradient_bytes if job.trains_all else 0.0)
    if job.degrees.pp > 1:
        return every * each
    dense, routed = layer_elements(job.trainee.model, job.share)
    return np.full(len(every), 2.0 * float(dense + routed) * each)


def _link_bytes(job: Job) -> float:
    """Two messages of a layer's hidden state where chips exchange them."""
    several = job.degrees.chips > 1
    return 4.0 * float(np.max(job.share.tokens)) * job.trainee.model.hidden_size if several else 0.0
