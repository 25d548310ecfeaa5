"""One training question with its names looked up, and what follows from it alone: shares, passes, layers of chunks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from simcore.cost.activations import Keeping
from simcore.cost.optimizers import Optimizer, optimizer
from simcore.engine.training.schedules import schedules
from simcore.ops.op import Array
from simcore.ops.training import Pass, Share
from simcore.spec.recipe import Recipe
from simcore.step.framework import Framework
from simcore.step.training import Hidden, Trainee, Work, pass_s

Passes = list[tuple[Pass, Work]]
EIGHT_BITS = ("fp8", "fp8-block", "mxfp8", "fp4")
WIRE_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp8": 1.0, "1bit": 0.125}


@dataclass(frozen=True)
class Degrees:
    """How chips share the work."""

    tp: int = 1
    pp: int = 1
    dp: int = 1
    cp: int = 1
    ep: int = 1
    vpp: int = 1
    sp: bool = False

    @property
    def chips(self) -> int:
        return self.tp * self.pp * self.dp * self.cp


@dataclass(frozen=True)
class Offload:
    """Where a class of tensors lives: bandwidth of a chip to that tier, and the share that is there."""

    bytes_per_s: float
    share: float = 1.0

    def time_s(self, size_bytes: float) -> float:
        """Seconds to move what is there of so many bytes, once."""
        return self.share * size_bytes / self.bytes_per_s


@dataclass(frozen=True)
class Job:
    """A plan for one model on one system under a framework's constants."""

    trainee: Trainee
    recipe: Recipe
    degrees: Degrees
    constants: Framework
    have_bytes: float
    """of one chip, as software sees it"""
    reserve_bytes: float = 0.0
    """what the runtime keeps of it"""
    offload: Mapping[str, Offload] = field(default_factory=dict)
    """weights, gradients, optimizer or activations that live in another tier"""

    def problem(self) -> str | None:
        """Why the plan cannot run, in words with a way out; None if it can."""
        d, r, model = self.degrees, self.recipe, self.trainee.model
        if min(d.tp, d.pp, d.dp, d.cp, d.ep, d.vpp) < 1:
            return "every degree is at least 1"
        if model.min_heads % d.tp:
            divisors = ", ".join(str(n) for n in range(1, model.min_heads + 1) if model.min_heads % n == 0)
            return f"tp = {d.tp} does not divide the {model.min_heads} attention heads (possible: {divisors})"
        if d.pp * d.vpp > model.layer_count:
            return f"pp x vpp = {d.pp * d.vpp} exceeds the {model.layer_count} layers"
        if r.global_batch % (d.dp * r.microbatch):
            return f"dp x microbatch = {d.dp * r.microbatch} does not divide the global batch of {r.global_batch}"
        if d.ep > 1 and not model.is_moe:
            return f"ep = {d.ep}: {model.name} has no experts (use ep = 1)"
        ranks = d.tp * d.cp * d.dp
        if model.is_moe and (ranks % (d.ep * r.expert_tp) or model.experts % d.ep):
            way = f"must divide tp x cp x dp = {ranks}, ep the {model.experts} experts"
            return f"ep x expert_tp = {d.ep * r.expert_tp} {way}"
        refusal: str | None = self.schedule.problem(d.pp, d.vpp, self.microbatches)
        stages = 0 if refusal else self.chains.shape[1]
        if (
            not refusal
            and r.stage_layers
            and (len(r.stage_layers) != stages or sum(r.stage_layers) != model.layer_count)
        ):
            return f"stage_layers must hold {stages} numbers that sum to the {model.layer_count} layers"
        return refusal

    @property
    def schedule_name(self) -> str:
        """1f1b with several chunks per rank is the interleaved schedule."""
        name = self.recipe.schedule
        if self.degrees.pp == self.degrees.vpp == 1:
            return "1f1b"
        return "interleaved" if name == "1f1b" and self.degrees.vpp > 1 else name

    @cached_property
    def schedule(self) -> Any:
        """The file of the schedule."""
        return schedules.implementation(self.schedule_name)

    @cached_property
    def chains(self) -> Any:
        """[chains, stages] the rank of every stage."""
        return self.schedule.place(self.degrees.pp, self.degrees.vpp)

    @property
    def microbatches(self) -> int:
        """Per replica and step."""
        return self.recipe.global_batch // (self.degrees.dp * self.recipe.microbatch)

    @property
    def casts(self) -> bool:
        return self.recipe.precision in EIGHT_BITS

    @property
    def unfused(self) -> bool:
        said = self.recipe.attention
        return self.constants.unfused if said is None else said == "unfused"

    @cached_property
    def optimizer(self) -> Optimizer:
        return optimizer(self.recipe.optimizer)

    @property
    def trains_all(self) -> bool:
        return self.recipe.tune == "full"

    @cached_property
    def share(self) -> Share:
        """Of one rank in a microbatch."""
        d, r = self.degrees, self.recipe
        length = float(r.sequence_tokens)
        attended = float(r.mean_tokens) if r.mean_tokens is not None and r.packed else length
        load = r.imbalance_ratio if r.capacity_ratio is None else min(r.capacity_ratio, r.imbalance_ratio)
        degrees = (float(d.tp), float(d.cp), float(d.ep), float(r.expert_tp), float(d.sp))
        return Share(
            *degrees,
            float(r.microbatch),
            length,
            attended,
            casts=self.casts,
            cast_bytes=self.constants.cast_bytes,
            unfused=self.unfused,
            context=r.context,
            skewed=self.constants.context_skew,
            capacity_ratio=load,
        )

    @property
    def hidden(self) -> Hidden:
        """Collectives beside computation, and how much of the host's time graphs leave."""
        said, c = self.recipe.overlap, self.constants
        graphs = self.recipe.graphs or c.graphs
        left = {"off": 1.0, "partial": 0.5 * (1.0 + c.graph_ratio), "whole": c.graph_ratio}[graphs]
        tp, ep, cp = (
            own if asked is None else asked
            for asked, own in (
                (said.tp, c.overlap_tp),
                (said.ep, c.overlap_ep),
                (said.cp, c.overlap_cp and self.recipe.context == "ring"),
            )
        )
        return Hidden(tp, ep, cp, left)

    @property
    def overlaps_dp(self) -> bool:
        return self.constants.overlap_dp if self.recipe.overlap.dp is None else self.recipe.overlap.dp

    @property
    def keeping(self) -> Keeping:
        r = self.recipe
        return Keeping(
            r.recompute, r.recompute_modules, self.constants.dropout, self.casts and self.constants.keeps_casts
        )

    @property
    def gradient_bytes(self) -> float:
        return 4.0 if self.recipe.gradients == "fp32" else 2.0

    @property
    def wire_bytes(self) -> float:
        """Per gradient element in the exchange over data-parallel ranks."""
        bits = self.optimizer.wire_bits
        return bits / 8.0 if bits is not None else WIRE_BYTES[self.recipe.exchange or self.recipe.gradients]

    @cached_property
    def chunk_layers(self) -> Array:
        """Layers of every chunk in order: as even as can be, the middle first where they do not divide."""
        if self.recipe.stage_layers:
            return np.array(self.recipe.stage_layers, float)
        chunks, layers = self.chains.shape[1], self.trainee.model.layer_count
        found = np.full(chunks, layers // chunks, float)
        middle = np.argsort(np.abs(np.arange(chunks) - 0.5 * (chunks - 1)), kind="stable")
        found[middle[: layers % chunks]] += 1.0
        return found

    @property
    def extra_layers(self) -> int:
        """Multi-token-prediction layers, each with the head again, on the last stage."""
        return self.trainee.model.mtp_layers if self.recipe.mtp else 0

    def again_ratio(self) -> float:
        """Share of a stage's layers that recompute."""
        if self.recipe.recompute_layers is None:
            return 1.0
        return min(1.0, self.recipe.recompute_layers / max(float(self.chunk_layers.max()) * self.degrees.vpp, 1.0))


def layer_passes(job: Job, work: Work, splits: bool) -> tuple[float, float, float]:
    """Seconds of one layer: forward, input gradient, weight gradient (0 where a schedule does not split them).

    Recomputation belongs to the backward pass: all of the forward pass again, the core of attention, or the modules.
    """
    tp, ratio = job.share.tp, job.recipe.straggler_ratio
    forward: Passes = [("forward", work)]
    back: Passes = [("input", work)]
    weight: Passes = [("weight", work)] if job.trains_all else []
    again = repeated(job, work)
    if not splits:
        back, weight = [*back, *weight], []

    def seconds(passes: Passes) -> float:
        return float(np.max(pass_s(passes, job.constants, job.hidden, tp, ratio))) if passes else 0.0

    plain = seconds(back)
    share = job.again_ratio() if again else 0.0
    back_s = plain if not again else (1.0 - share) * plain + share * seconds([*again, *back])
    return seconds(forward), back_s, seconds(weight)


def repeated(job: Job, work: Work) -> Passes:
    """Passes that the backward pass does again."""
    mode, modules = job.recipe.recompute, job.recipe.recompute_modules
    if mode == "full":
        return [("forward", work)]
    if mode == "alternate":
        return [("forward", work.scaled({"matrix": 0.5, "expert": 0.0, "attention": 0.0}))]
    classes = {"attention", "product", "score"} if mode == "selective" or "attention" in modules else set()
    wanted = {"norm": ("elementwise",), "activation": ("elementwise",), "mlp": ("matrix",), "moe": ("expert", "ep")}
    classes |= {name for module in modules for name in wanted.get(module, ())}
    share = {name: 1.0 if name in classes else 0.0 for name in work.of("forward")}
    if "projection" in modules and "matrix" not in classes:
        share["matrix"] = projection_share(job)
    return [("forward", work.scaled(share))] if any(share.values()) else []


def projection_share(job: Job) -> float:
    """Low-rank up-projections over all dense matrices of a layer, by products."""
    model = job.trainee.model
    up = total = 0.0
    for group in model.layers:
        found = [] if group.mixer is None else list(group.mixer.matrices(model.hidden_size))
        latent = [m for m in found if m.inputs != model.hidden_size and m.name != "attention_out"]
        every = [*found, *(m for f in group.ffn for m in f.cut(model.hidden_size))]
        up += group.count * sum(m.inputs * m.outputs for m in latent)
        total += group.count * sum(m.inputs * m.outputs for m in every)
    return up / total if total else 0.0
