"""Seconds and bytes of a block of plans, each term over the axes that it depends on.

    step = A[cell, mode, weights_off, tp_overlap, tp_far, pp_far]             schedule of stages
         + B[cell, mode, sharded, dp_overlap, dp_far, tp_overlap, tp_far]     gradients and gathered weights
         + C[cell, optimizer_off, sharded]                                    optimizer
    need = M[cell, mode, weights_off, optimizer_off, sharded]

Gathering again in the backward pass hides behind the input gradient, as Megatron does it: it saves bytes only.
Kernels and links are priced once per distinct (tp, microbatch) by the operators that `train` uses, under the same
constants (`simcore.step.training.pass_s`). The schedule is the closed form of 1F1B and of interleaved stages whose
last one is heavier; `train` runs the schedule itself, and the best plans are asked of it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.training.space import OPEN_SHARE, Block, Mode, modes
from simcore.cost.activations import Keeping, kept_bytes, logit_bytes, total_bytes
from simcore.cost.far_links import far_s, place
from simcore.engine.training.job import Job
from simcore.engine.training.memory import layer_elements
from simcore.ops.build import collective
from simcore.ops.op import Column
from simcore.ops.training import PASSES, Pass, Share
from simcore.step.training import Hidden, Seconds, Work, attention_only, compute_s, pass_s

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """The terms of a block; axes in the order of the docstring."""

    schedule_s: Floats
    exchange_s: Floats
    optimizer_s: Floats
    need_bytes: Floats
    have_bytes: float


@dataclass(frozen=True)
class Costs:
    """What the plans of one question share: a job says model, machine, recipe and constants; the plan is left open."""

    job: Job
    host_bytes_per_s: float
    """of a chip's link to its host, for what is offloaded"""

    def terms(self, block: Block) -> Terms:
        """Of all cells of a block."""
        return _Block(self, block).terms


@dataclass(frozen=True)
class _Block:
    costs: Costs
    block: Block

    @property
    def job(self) -> Job:
        return self.costs.job

    @cached_property
    def kinds(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(distinct (tp, microbatch) [kinds, 2], which one a cell has)."""
        pairs = np.stack([self.block.tp, self.block.microbatch], axis=1)
        found, back = np.unique(pairs, axis=0, return_inverse=True)
        return found, back.ravel()

    def share(self, sharded: bool) -> Share:
        """Of the distinct kinds, [kinds]."""
        tp, micro = (column.astype(float) for column in self.kinds[0].T)
        return replace(self.job.share, tp=tp, cp=1.0, ep=1.0, sp=np.full_like(tp, float(sharded)), sequences=micro)

    @cached_property
    def shares(self) -> dict[bool, Share]:
        return {sharded: self.share(sharded) for sharded in (False, True)}

    @cached_property
    def works(self) -> dict[bool, list[tuple[int, Work]]]:
        """(layers, work of one) without and with sequence parallelism."""
        trainee = self.job.trainee
        return {sharded: list(trainee._layers(share)) for sharded, share in self.shares.items()}

    def far_exchange(self, share: Share) -> Seconds:
        """The exchange of one tensor-parallel pass over network cards only: an all-reduce, or its two halves."""
        size = share.tokens * self.job.trainee.model.hidden_size * 2.0
        at = replace(place(self.job.trainee.machine, share.tp, 1.0), inside=1.0)
        return {"tp": np.zeros_like(size), "tp_far": 2.0 * far_s(at, "all_reduce", size)}

    def each(self, value: Column) -> Floats:
        """A column of the distinct kinds as [kinds, 1, 1]."""
        return np.broadcast_to(np.asarray(value, float), len(self.kinds[0])).reshape(-1, 1, 1)

    def spread_out(self, work: Work, share: Share) -> Work:
        """The exchange over the axes tp_overlap and tp_far; what is hidden stands in the class `cp`."""
        hidden = np.array([1.0 - value for value in OPEN_SHARE]).reshape(1, 3, 1)[:, : self.block.sizes[6]]
        passes: dict[Pass, Seconds] = {}
        for name, seconds in work.passes.items():
            found: Seconds = {k: self.each(v) for k, v in seconds.items() if not k.startswith("tp")}
            only = self.far_exchange(share) if name != "weight" else {}
            for label in ("tp", "tp_far"):
                ways = [self.each(seconds.get(label, 0.0))]
                if self.block.sizes[7] > 1:
                    ways.append(self.each(only.get(label, 0.0)))
                both = np.concatenate(ways, axis=2)
                found[label] = both * (1.0 - hidden)
                found[label.replace("tp", "cp")] = both * hidden
            passes[name] = found
        return replace(work, passes=passes)

    def layer_s(self, mode: Mode) -> tuple[Floats, Floats]:
        """(forward, backward) seconds of a mean layer, [kinds, tp_overlap, tp_far]."""
        sharded = mode.exchange == "sequence-parallel"
        share, c = self.shares[sharded], self.job.constants
        hidden = Hidden(False, False, True, self.job.hidden.graph_ratio)
        total: list[Column] = [0.0, 0.0]
        tp = self.each(share.tp)
        for count, plain in self.works[sharded]:
            work = self.spread_out(plain, share)
            back: list[tuple[Pass, Work]] = [("input", work), ("weight", work)]
            if mode.recompute == "full":
                back = [("forward", work), *back]
            elif mode.recompute == "selective":
                back = [("forward", attention_only(work)), *back]
            total[0] = total[0] + count * pass_s([("forward", work)], c, hidden, tp)
            total[1] = total[1] + count * pass_s(back, c, hidden, tp)
        layers = self.job.trainee.model.layer_count
        forward, backward = (np.asarray(value / layers, float) for value in total)
        if mode.offload:
            moved_s = self.each(self.kept(mode)) / self.costs.host_bytes_per_s
            forward, backward = (np.asarray(c.hidden(value, moved_s), float) for value in (forward, backward))
        return forward, backward

    def kept(self, mode: Mode) -> Floats:
        """Bytes that a mean layer keeps of a microbatch, [kinds]."""
        sharded = mode.exchange == "sequence-parallel"
        share, model = self.shares[sharded], self.job.trainee.model
        total: Column = np.zeros(len(self.kinds[0]))
        keeping = Keeping(
            mode.recompute, (), self.job.constants.dropout, self.job.casts and self.job.constants.keeps_casts
        )
        for group in model.layers:
            parts = kept_bytes(model, group, share, keeping)
            if sharded and not mode.gather_again and mode.recompute != "full":
                parts["inputs"] = parts.get("inputs", 0.0) * share.tp
            total = total + group.count * total_bytes(parts)
        return np.asarray(total / model.layer_count, float)

    @cached_property
    def stages(self) -> tuple[Floats, Floats]:
        """(forward, backward) seconds of all layers of a rank, [cells, mode, tp_overlap, tp_far]."""
        back = self.kinds[1]
        found = [self.layer_s(mode) for mode in modes()]
        layers = (self.job.trainee.model.layer_count / self.block.pp).reshape(-1, 1, 1, 1)
        forward, backward = (np.stack([one[at] for one in found], axis=1)[back] * layers for at in (0, 1))
        return forward, backward

    @cached_property
    def ends(self) -> tuple[Floats, Floats]:
        """Seconds of (embedding, head), forward and backward, [cells]."""
        trainee, share = self.job.trainee, self.shares[False]
        found = []
        for work in (trainee.embedding(share), trainee.head(share)):
            seconds = sum(compute_s(work.of(name), self.job.constants, name) for name in PASSES)
            found.append(self.each(seconds).ravel()[self.kinds[1]])
        return found[0], found[1]

    @cached_property
    def elements(self) -> Floats:
        """Weight elements of the fullest rank, [cells]."""
        model = self.job.trainee.model
        dense, routed = layer_elements(model, self.shares[False])
        each = self.each(dense + routed).ravel()[self.kinds[1]]
        tables = model.head_elements / self.block.tp
        both = np.where(self.block.pp > 1, 1.0, 1.0 if model.tied_embeddings else 2.0)
        return np.asarray(each * model.layer_count / self.block.pp + tables * both, float)

    @property
    def terms(self) -> Terms:
        return Terms(self.schedule_s(), self.exchange_s(), self.optimizer_s(), self.need_bytes(), self.job.have_bytes)

    def schedule_s(self) -> Floats:
        """[cells, mode, weights_off, tp_overlap, tp_far, pp_far]"""
        b = self.block
        n, p, v = (one.astype(float).reshape(-1, 1, 1, 1) for one in (self.microbatches, b.pp, b.vpp))
        forward, backward = self.stages
        embedding, head = (one.reshape(-1, 1, 1, 1) for one in self.ends)
        handed = 2.0 * self.job.constants.send_s * (n * v + p - 1.0) * (p > 1)
        plain = (n + (p - 1.0) / v) * (forward + backward) + n * head + embedding + handed
        waits = [plain + self.waiting_s(far) for far in range(b.sizes[8])]
        found = np.stack(waits, axis=-1)[:, :, None]
        moved = 4.0 * n * self.elements.reshape(-1, 1, 1, 1) / self.costs.host_bytes_per_s
        streamed = np.asarray(self.job.constants.hidden(found, moved[..., None, None]), float)
        return np.concatenate([found, streamed], axis=2)

    @cached_property
    def microbatches(self) -> NDArray[np.int64]:
        return self.block.batch // (self.block.dp * self.block.microbatch)

    def waiting_s(self, far: int) -> Floats:
        """The way between stages, [cells, mode, 1, 1]: 2 h ((p - 1) n / p + p - 2); interleaved 2 h (v p - 1)."""
        b, model, machine = self.block, self.job.trainee.model, self.job.trainee.machine
        n, p, v, tp = (one.astype(float) for one in (self.microbatches, b.pp, b.vpp, b.tp))
        size = b.microbatch * float(self.job.recipe.sequence_tokens) * model.hidden_size * 2.0
        at = place(machine, 2.0, np.asarray(tp * b.dp + (1e9 if far else 0.0), float))
        rate = np.where(at.crosses, at.card_bytes_per_s, at.link_bytes_per_s)
        times = np.where(v > 1, 2.0 * (v * p - 1.0), 2.0 * ((p - 1.0) * n / p + p - 2.0)) * (p > 1)
        parts = np.array([1.0 if mode.exchange == "all-reduce" else 0.0 for mode in modes()])
        sent = size[:, None] * (parts + (1.0 - parts) / tp[:, None])
        found = (at.latency_s + sent / rate[:, None]) * np.maximum(times, 0.0)[:, None]
        return np.asarray(found, float)[:, :, None, None]

    def exchange_s(self) -> Floats:
        """[cells, mode, sharded, dp_overlap, dp_far, tp_overlap, tp_far]"""
        forward, backward = (one[:, :, None, None, None] for one in self.stages)
        shape = (self.block.cells, 1, self.block.sizes[3], 1, self.block.sizes[5], 1, 1)
        gradients, weights = np.zeros(shape), np.zeros(shape)
        for sharded in range(shape[2]):
            for far in range(shape[4]):
                name = "reduce_scatter" if sharded else "all_reduce"
                gradients[:, 0, sharded, 0, far, 0, 0] = self.group_s(name, self.job.wire_bytes, far)
                if sharded:
                    weights[:, 0, sharded, 0, far, 0, 0] = self.group_s("all_gather", 2.0, far)
        open_s = gradients + weights + 0.0 * forward
        if self.block.sizes[4] == 1:
            return np.asarray(open_s, float)
        c = self.job.constants
        beside = c.hidden(backward, gradients) - backward + c.hidden(forward, weights) - forward
        return np.asarray(np.concatenate([open_s, beside], axis=3), float)

    def group_s(self, name: str, each_bytes: float, far: int) -> Floats:
        """A collective of a rank's weights over its replicas, [cells]."""
        b, trainee, c = self.block, self.job.trainee, self.job.constants
        size, ranks, stride = self.elements * each_bytes, b.dp.astype(float), b.tp.astype(float)
        if far:
            at = replace(place(trainee.machine, ranks, stride), inside=np.ones_like(ranks))
            return np.asarray(far_s(at, name, size) / c.card_ratio, float)
        op = replace(collective(name, "dp", 1.0, size, ranks, stride), part="dp")
        near = trainee.cost_model.costs([op], trainee.machine, self.job.share.plan, True)[0].network_s
        found: Any = trainee.exchange(op, near)
        return np.asarray(found["dp"] * c.link_ratio + found["dp_far"] / c.card_ratio, float)

    def optimizer_s(self) -> Floats:
        """[cells, optimizer_off, sharded]"""
        job, width = self.job, float(self.job.trainee.model.hidden_size)
        rank = float(job.recipe.optimizer_rank)
        moved = np.asarray(job.optimizer.moved_bytes(self.elements, job.gradient_bytes, width, rank), float)
        rate = float(np.max(job.trainee.machine.memory_bytes_per_s)) * job.constants.optimizer_ratio
        here = np.stack([moved / rate, moved / self.costs.host_bytes_per_s], axis=1)
        ways = [np.ones(self.block.cells), self.block.dp.astype(float)][: self.block.sizes[3]]
        return np.asarray(np.stack([here / way[:, None] for way in ways], axis=2) + job.constants.step_s, float)

    def need_bytes(self) -> Floats:
        """[cells, mode, weights_off, optimizer_off, sharded]"""
        job, b, model = self.job, self.block, self.job.trainee.model
        n, p, v = (one.astype(float) for one in (self.microbatches, b.pp, b.vpp))
        layers = model.layer_count / p
        held = np.where(
            v > 1, np.minimum(layers * (1.0 + (p - 1.0) / (p * v)) * p, n * layers), np.minimum(p, n) * layers
        )
        each = np.stack([self.kept(mode).ravel() for mode in modes()], axis=1)[self.kinds[1]]
        off = np.array([mode.offload for mode in modes()])
        activations = np.where(off, np.minimum(held, 2.0)[:, None], held[:, None]) * each
        logits = self.each(logit_bytes(model, self.shares[False])).ravel()
        states = float(
            np.max(job.optimizer.state_bytes(1.0, float(model.hidden_size), float(job.recipe.optimizer_rank)))
        )
        weights = np.stack([self.elements, self.elements * 2.0 / np.maximum(layers, 2.0)], axis=1) * 2.0
        ways = [np.ones(b.cells), b.dp.astype(float)][: b.sizes[3]]
        optimizer = np.stack([np.stack([self.elements * states / way, 0.0 * way], axis=1) for way in ways], axis=2)
        again = np.array([mode.recompute == "full" for mode in modes()])
        working = np.stack([self.kept(replace(mode, recompute="none")) for mode in modes()], axis=1)[self.kinds[1]]
        activations = activations + again * working
        beside = self.elements * job.gradient_bytes + logits[self.kinds[1]] + job.reserve_bytes
        own = activations * (1.0 + job.constants.fragment_ratio) + beside[:, None]
        return np.asarray(
            own[:, :, None, None, None] + weights[:, None, :, None, None] + optimizer[:, None, None], float
        )
