"""One optimizer step of a training plan: the schedule with its stages' seconds, what is exposed beside it, the memory.

    step = pipeline + gradients and weights exchanged beside nothing + optimizer + once a step

The pipeline is the event result of the schedule (`simcore.engine.training.pipeline`): stages differ (the embedding on
the first, head and loss on the last). The exchange over data-parallel ranks hides behind one microbatch's backward
pass (gradients) and forward pass (gathered weights) where the framework overlaps it. Wrong where replicas share
network cards with other jobs, and for frameworks that bucket gradients so coarsely that nothing hides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from simcore.engine.training.job import Job, layer_passes
from simcore.engine.training.memory import Holdings, holdings, layer_elements, rank_elements, sharded_ways
from simcore.engine.training.pipeline import Pipelined, StageTimes, program, run
from simcore.ops.op import Array
from simcore.ops.training import PASSES, Share, head, layer
from simcore.result import DoesNotFit, Unsupported
from simcore.step.training import LIGHT, Work, compute_s, exchange_s, pass_s


@dataclass(frozen=True)
class Step:
    """One step's seconds and what it holds; `infeasible` says why there is none."""

    job: Job
    pipeline: Pipelined | None
    parts_s: dict[str, float]
    """pipeline, gradients, weights, optimizer, once: they sum to the step"""
    holdings: Holdings | None
    infeasible: Unsupported | DoesNotFit | None = None

    @property
    def time_s(self) -> float:
        """Seconds of the step; nan where there is none."""
        return sum(self.parts_s.values()) if self.parts_s else float("nan")

    @property
    def tokens(self) -> float:
        """Of one step; padding does not count."""
        recipe = self.job.recipe
        length = recipe.mean_tokens if recipe.mean_tokens is not None and not recipe.packed else recipe.sequence_tokens
        return float(recipe.global_batch * length)

    @property
    def tokens_per_s_per_chip(self) -> float:
        return self.tokens / self.time_s / self.job.degrees.chips

    @cached_property
    def model_flop(self) -> float:
        """Of one step: three times the forward work (two where LoRA forms no weight gradients), recomputation and the
        masked half of attention not counted."""
        job = self.job
        share = Share(1.0, 1.0, 1.0, 1.0, 0.0, 1.0, job.share.sequence_tokens, job.share.attended_tokens)
        model = job.trainee.model
        found = sum(g.count * flop_of(layer(model, g, share).forward) for g in model.layers)
        times = 3.0 if job.trains_all else 2.0
        return times * (found + flop_of(head(model, share).forward)) * job.recipe.global_batch

    @cached_property
    def classes_s(self) -> dict[str, float]:
        """Seconds by class of work on a chip in one step, before hosts, overlap and the bubble."""
        job = self.job
        times = self.job.microbatches * float(job.chunk_layers.sum()) * len(job.chains) / job.degrees.pp
        found: dict[str, float] = {}
        for count, work in job.trainee.layers(job.share):
            for name in PASSES:
                for label, value in work.of(name).items():
                    share = count / job.trainee.model.layer_count * times
                    found[label] = found.get(label, 0.0) + share * float(np.max(value))
        return {label: value for label, value in found.items() if value > 0.0}

    @property
    def moved_bytes(self) -> float:
        """Read and written by elementwise kernels on a chip, and by matrices about once their operands."""
        light = sum(self.classes_s.get(name, 0.0) for name in LIGHT)
        return 2.0 * light * float(np.max(self.job.trainee.machine.memory_bytes_per_s))

    @property
    def mfu_ratio(self) -> float:
        """Over the dense bf16 peak."""
        peak = float(np.max(self.job.trainee.machine.bf16_flop_per_s)) * self.job.degrees.chips
        return self.model_flop / self.time_s / peak


def flop_of(ops: Any) -> float:
    """Matrix and attention work."""
    return float(sum(np.max(op.count * op.flop) for op in ops if op.role != "vector"))


def train(job: Job) -> Step:
    """A step of a plan; infeasible plans keep their times where there are any."""
    problem = job.problem()
    if problem:
        return Step(job, None, {}, None, Unsupported(problem))
    found = pipelined(job)
    held = holdings(job, found.peak_bytes)
    return Step(job, found, parts_s(job, found), held, held.infeasible)


def parts_s(job: Job, found: Pipelined) -> dict[str, float]:
    """Seconds of the parts that follow one another in a step."""
    backward, forward = last_passes(job, found)
    gradients_s, weights_s = exchanges(job, backward, forward)
    return {
        "pipeline": found.time_s,
        "gradients": gradients_s,
        "weights": weights_s,
        "optimizer": optimizer_s(job),
        "once": job.constants.step_s,
    }


def pipelined(job: Job) -> Pipelined:
    """The schedule; `held_bytes` of its stages are their layers."""
    order = program(job.schedule_name, job.degrees.pp, job.degrees.vpp, job.microbatches)
    return run(order, stage_times(job))


def stage_times(job: Job) -> StageTimes:
    """Seconds of every stage; a stage is a chunk's mean layers, the embedding before the first, the head behind the
    last."""
    splits = bool(job.schedule.SPLITS)
    forward, inputs, weights, pair = mean_layer(job, splits)
    layers = job.chunk_layers
    count = len(job.chains)
    ends = [end_passes(job, work, splits) for work in job.trainee.ends(job.share)]
    times = []
    for at, each in enumerate((forward, inputs, weights)):
        own = layers * each
        own[0] += ends[0][at]
        own[-1] += ends[1][at] + job.extra_layers * (each + ends[1][at])
        if job.degrees.pp > 1 and at < 2:
            own += job.constants.send_s
        times.append(np.tile(own, count))
    pairs = None
    if job.schedule_name == "dualpipe":
        plain = times[0] + times[1] + times[2]
        pairs = plain - np.tile(layers, count) * (forward + inputs + weights - pair)
    latency_s = send_s(job) if job.degrees.pp > 1 else 0.0
    return StageTimes(times[0], times[1], times[2], pairs, latency_s, np.tile(layers, count))


def mean_layer(job: Job, splits: bool) -> tuple[float, float, float, float]:
    """Seconds of a mean layer: forward, input gradient, weight gradient, all three of two microbatches that run into
    each other. Sharded weights (FSDP) are gathered beside the passes, gradients scattered beside the backward one."""
    total = np.zeros(4)
    for count, work in job.trainee.layers(job.share):
        forward, inputs, weights = layer_passes(job, work, splits)
        gather_s, scatter_s = fsdp_s(job) if job.recipe.zero == 3 else (0.0, 0.0)
        if gather_s:
            forward = float(job.constants.hidden(forward, gather_s))
            inputs = float(job.constants.hidden(inputs, gather_s + scatter_s))
        pair = paired_s(job, work) if job.schedule_name == "dualpipe" else 0.0
        total += count * np.array([forward, inputs, weights, pair])
    mean = total / job.trainee.model.layer_count
    return float(mean[0]), float(mean[1]), float(mean[2]), float(mean[3])


def paired_s(job: Job, work: Work) -> float:
    """A forward and a backward pass whose exchanges hide behind each other's computation."""
    hidden = job.hidden.__class__(job.hidden.tp, True, job.hidden.cp, job.hidden.graph_ratio)
    passes: Any = [("forward", work), ("input", work), ("weight", work)]
    return float(np.max(pass_s(passes, job.constants, hidden, job.share.tp, job.recipe.straggler_ratio)))


def end_passes(job: Job, work: Work, splits: bool) -> tuple[float, float, float]:
    """Seconds of embedding or head: forward, input gradient, weight gradient."""
    f, i, w = (float(np.max(compute_s(work.of(name), job.constants, name))) for name in PASSES)
    w = w if job.trains_all else 0.0
    return (f, i, w) if splits else (f, i + w, 0.0)


def send_s(job: Job) -> float:
    """A microbatch's hidden state from one rank to the next, each chip its share."""
    from simcore.cost.collective import send_time_s

    d, share = job.degrees, job.share
    size = share.outer_tokens if d.sp else share.tokens
    stride = float(d.tp * d.cp * d.dp)
    return float(np.max(send_time_s(job.trainee.machine, stride, size * job.trainee.model.hidden_size * 2.0)))


def group_s(job: Job, name: str, size_bytes: float, ranks: float, stride: float) -> float:
    """Seconds of one collective under the framework's constants."""
    if ranks <= 1.0 or size_bytes <= 0.0:
        return 0.0
    seconds = job.trainee.group(name, size_bytes, ranks, stride)
    return float(np.max(exchange_s(seconds, job.constants, "dp")))


def fsdp_s(job: Job) -> tuple[float, float]:
    """(gather, scatter) seconds of one layer's weights and gradients over the ranks that share them."""
    dense, routed = (float(part) for part in layer_elements(job.trainee.model, job.share))
    ways, routed_ways = sharded_ways(job)
    if job.degrees.pp > 1:
        return 0.0, 0.0
    gather = spread_s(job, "all_gather", 2.0, (dense, routed), (ways, routed_ways))
    scatter = spread_s(job, "reduce_scatter", job.wire_bytes, (dense, routed), (ways, routed_ways))
    return gather, scatter if job.trains_all else 0.0


def spread_s(job: Job, name: str, each_bytes: float, elements: tuple[float, float], ways: tuple[float, float]) -> float:
    """A collective of dense and routed weights over their own groups."""
    strides = (float(job.degrees.tp), float(job.degrees.ep * job.recipe.expert_tp))
    parts = zip(elements, ways, strides, strict=True)
    return sum(group_s(job, name, count * each_bytes, ranks, stride) for count, ranks, stride in parts)


def exchanges(job: Job, backward_s: float, forward_s: float) -> tuple[float, float]:
    """Exposed seconds of (gradients, gathered weights) of the fullest rank, once in `sync_interval` steps."""
    if job.degrees.dp * job.degrees.cp == 1:
        return 0.0, 0.0
    dense, routed = (float(part.max()) for part in rank_elements(job))
    if not job.trains_all:
        ratio = min(1.0, 2.0 * job.recipe.lora_rank / job.trainee.model.hidden_size)
        dense, routed = dense * ratio, routed * ratio
    whole = (float(job.degrees.dp * job.degrees.cp), all_routed(job))
    zero, sizes = job.recipe.zero, (dense, routed)
    if zero == 3 and job.degrees.pp == 1:
        return beyond_shards_s(job, sizes, whole, backward_s), 0.0
    if zero == 0:
        gradients, weights = spread_s(job, "all_reduce", job.wire_bytes, sizes, whole), 0.0
    else:
        ways = sharded_ways(job)
        gradients = spread_s(job, "reduce_scatter", job.wire_bytes, sizes, ways)
        gradients += beyond_shards_s(job, sizes, whole, 0.0)
        weights = spread_s(job, "all_gather", 2.0, sizes, ways)
    if job.overlaps_dp:
        gradients = float(job.constants.hidden(backward_s, gradients)) - backward_s
        weights = float(job.constants.hidden(forward_s, weights)) - forward_s
    return gradients / job.recipe.sync_interval, weights / job.recipe.sync_interval


def all_routed(job: Job) -> float:
    """Ranks that hold the same experts."""
    d = job.degrees
    return max(1.0, float(d.dp * d.cp * d.tp) / (d.ep * job.recipe.expert_tp))


def beyond_shards_s(job: Job, elements: tuple[float, float], whole: tuple[float, float], behind_s: float) -> float:
    """Gradients added up between groups of shards: an all-reduce of what one rank holds."""
    ways, total = sharded_ways(job), 0.0
    strides = (float(job.degrees.tp), float(job.degrees.ep * job.recipe.expert_tp))
    for count, own, every, stride in zip(elements, ways, whole, strides, strict=True):
        if every > own:
            total += group_s(job, "all_reduce", count / own * job.wire_bytes, every / own, stride * own)
    return total if not behind_s else float(job.constants.hidden(behind_s, total)) - behind_s


def last_passes(job: Job, found: Pipelined) -> tuple[float, float]:
    """(backward, forward) seconds of one microbatch on the first rank: what an exchange may hide behind."""
    times = found.times
    mine = found.program.rank_of == found.program.rank_of[0]
    back = float(np.sum((times.input_s + times.weight_s)[mine]))
    return back, float(np.sum(times.forward_s[mine]))


def optimizer_s(job: Job) -> float:
    """States of the fullest rank read and written."""
    dense, routed = rank_elements(job)
    ways, routed_ways = sharded_ways(job)
    shares = (ways, routed_ways) if job.recipe.zero >= 1 else (1.0, 1.0)
    held: Array = dense / shares[0] + routed / shares[1]
    count = float(held.max())
    if not job.trains_all:
        count *= min(1.0, 2.0 * job.recipe.lora_rank / job.trainee.model.hidden_size)
    width, rank = float(job.trainee.model.hidden_size), float(job.recipe.optimizer_rank)
    moved = float(np.max(job.optimizer.moved_bytes(count, job.gradient_bytes, width, rank)))
    rate = float(np.max(job.trainee.machine.memory_bytes_per_s)) * job.constants.optimizer_ratio
    return moved / rate
