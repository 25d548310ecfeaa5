"""Attention and FFN on different chips: step times of a group of attention replicas that share one FFN pool.

An attention replica holds the KV of its sequences, all norms, embedding and head; the FFN pool holds every layer's FFN
or experts and takes the tokens of all attention replicas together, so that its matrices are wide although each
replica's batch is small. A decode step is cut into m micro-batches that go round attention, dispatch, FFN and combine,
once per layer ("ping-pong"): while one is in the FFN, another is in attention. With stage times s of one micro-batch in
one layer,

    round = max(m max(s), sum(s)),    step = (L - 1) round + (m - 1) max(s) + sum(s)

which is the makespan of L identical rounds, to which head and sampler add: the busiest stage works without a pause, or
every micro-batch travels without waiting. Dispatch and combine have a direction of the links each. Sources:
MegaScale-Infer (Zhu et al. 2025) and Step-3 (2025) for the scheme; the equation follows from the bounds of a cyclic
flow shop. Wrong where layers differ much (the mean layer stands for all) and where a step has a prefill chunk: such
steps are taken one stage after another, the whole chunk on one attention replica.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simcore.ops.blocks.moe import touched_experts
from simcore.ops.op import Op, PlanColumns, StepColumns
from simcore.spec.model import ModelSpec
from simcore.step.price import Physics, dynamic_w, price
from simcore.step.times import ZERO, Axis, Floats, SampleRange, StepTimes, Table

ELSEWHERE = ("embedding", "final_norm", "lm_head", "sampling", "all_gather_logits")
"""operations of a whole model that the FFN pool does not do"""


@dataclass(frozen=True)
class PoolLink:
    """Between the pools: bandwidth of one chip's link in each direction, and latency."""

    attention_bytes_per_s: float
    ffn_bytes_per_s: float
    latency_s: float = 0.0


@dataclass(frozen=True)
class AttentionFfn:
    """`replicas` equal attention replicas and one FFN pool; both plans have no pipeline and no attention dp."""

    attention: Physics
    attention_plan: PlanColumns
    replicas: int
    ffn: Physics
    ffn_plan: PlanColumns
    link: PoolLink
    microbatches: int = 2
    """at most so many; a step takes the number that is fastest"""

    @property
    def chips(self) -> float:
        """Of the whole group."""
        attention, ffn = (float(np.max(plan.replica_chips)) for plan in (self.attention_plan, self.ffn_plan))
        return self.replicas * attention + ffn


def attention_side(model: ModelSpec) -> ModelSpec:
    """The model without its FFN blocks."""
    return model.replace(layers=tuple(group.replace(ffn=()) for group in model.layers))


def ffn_side(model: ModelSpec) -> ModelSpec:
    """The model's FFN blocks alone."""
    return model.replace(layers=tuple(group.replace(mixer=None, norms=0) for group in model.layers))


def pipeline_s(stages_s: Floats, layers: float, microbatches: Any) -> Floats:
    """The step of the module's equation, without the head; stages [4, steps] of one micro-batch, result [steps]."""
    longest, around = stages_s.max(axis=0), stages_s.sum(axis=0)
    turn = np.maximum(microbatches * longest, around)
    return np.asarray((layers - 1) * turn + (microbatches - 1) * longest + around)


@dataclass(frozen=True)
class SideCost:
    """Work of one side's chips in a step, seconds [steps], split as the step times need it."""

    rest_s: Floats
    attention_s: Floats
    head_s: Floats
    compute_s: Floats
    memory_s: Floats

    @property
    def time_s(self) -> Floats:
        """All but the head."""
        return self.rest_s + self.attention_s


def side_cost(physics: Physics, plan: PlanColumns, step: StepColumns, count: int, graphs: bool, drop: Any) -> SideCost:
    """Operations of one side added up over all layers; collectives inside the side count as its own time."""
    whole = price(physics, plan, step, graphs)
    side = replace(whole.only(lambda op: not drop(op)), extras=whole.extras)
    parts = side.sum()
    attention, head = parts.pop("attention", 0.0), parts.pop("head", 0.0)
    compute, memory, _ = side.busy_s()
    columns = (sum(parts.values()), attention, head, compute, memory)
    return SideCost(*(np.broadcast_to(column, (count,)).astype(float) for column in columns))


class Group:
    """The two sides of a group, costed for arrays of steps."""

    def __init__(self, pools: AttentionFfn, graphs: bool) -> None:
        self.pools, self.graphs = pools, graphs
        whole = pools.attention.model
        self.layers = float(whole.layer_count)
        self.attention = replace(pools.attention, model=attention_side(whole))
        self.ffn = replace(pools.ffn, model=ffn_side(whole))
        moe = [block for group in whole.layers for block in group.ffn if block.routed_experts]
        self.routed = bool(moe) and not any(block.cut(whole.hidden_size) for block in moe)
        self.topk = max((float(block.chosen_experts) for block in moe), default=0.0)
        self.token_bytes = whole.hidden_size * float(np.max(pools.attention_plan.activation_bytes))

    def attention_cost(self, step: StepColumns, count: int, graphs: bool) -> SideCost:
        """One attention replica's part of a step."""
        return side_cost(self.attention, self.pools.attention_plan, step, count, graphs, lambda op: False)

    def ffn_cost(self, tokens: Floats, graphs: bool) -> SideCost:
        """The FFN pool's part of a step of so many tokens; experts' outputs are added at the attention side."""

        def elsewhere(op: Op) -> bool:
            return op.name in ELSEWHERE or (self.routed and op.kind == "collective")

        step = StepColumns(decode_sequences=tokens)
        return side_cost(self.ffn, self.pools.ffn_plan, step, len(tokens), graphs, elsewhere)

    def link_s(self, replica_tokens: Floats, pool_tokens: Floats) -> tuple[Floats, Floats]:
        """(dispatch, combine) of one micro-batch in one layer.

        Every chip of the side that receives needs whole rows; routed experts get only the tokens that chose them, and
        send as many partial sums back.
        """
        link = self.pools.link
        chips = float(np.max(self.pools.attention_plan.tp))
        ranks = float(np.max(self.pools.ffn_plan.replica_chips))
        there, back = ranks, chips
        if self.routed:
            ep, split = float(np.max(self.pools.ffn_plan.ep)), float(np.max(self.pools.ffn_plan.moe_tp))
            there = back = float(touched_experts(ep, 1.0, self.topk)) * split
        sides = (replica_tokens / (chips * link.attention_bytes_per_s), pool_tokens / (ranks * link.ffn_bytes_per_s))
        busiest_s = np.maximum(*sides) * self.token_bytes
        return link.latency_s + there * busiest_s, link.latency_s + back * busiest_s

    def decode_s(self, batch: Floats, kv_tokens: Floats) -> Floats:
        """A step in which `batch` sequences of the whole group decode, without the head, [steps]; 0 if none do."""
        asked = np.maximum(batch, 1.0)
        each = np.ceil(asked / self.pools.replicas)
        best = np.full(len(asked), np.inf)
        for most in range(1, self.pools.microbatches + 1):
            parts = np.minimum(float(most), each)
            small = np.ceil(each / parts)
            tokens = np.minimum(small * self.pools.replicas, asked)
            step = StepColumns(decode_sequences=small, kv_tokens=kv_tokens)
            attention = self.attention_cost(step, len(asked), self.graphs)
            ffn = self.ffn_cost(tokens, self.graphs)
            there_s, back_s = self.link_s(small, tokens)
            stages = np.stack([attention.time_s / self.layers, there_s, ffn.time_s / self.layers, back_s])
            best = np.minimum(best, pipeline_s(stages, self.layers, parts))
        return np.where(batch > 0, best, 0.0)

    def head_s(self, sequences: Floats) -> Floats:
        """Norm, head and sampling of `sequences` over the replicas, [steps]."""
        each = np.maximum(np.ceil(sequences / self.pools.replicas), 1.0)
        cost = self.attention_cost(StepColumns(decode_sequences=each, kv_tokens=1.0), len(each), self.graphs)
        return np.where(sequences > 0, cost.head_s, 0.0)

    def energy_j(self, attention: SideCost, ffn: SideCost, total_s: Floats) -> Floats:
        """Above idle, of all chips, for a step of `total_s` in which both sides did this work."""
        pools, joules = self.pools, np.zeros(len(total_s))
        sides = (
            (pools.attention, pools.attention_plan, attention, pools.replicas),
            (pools.ffn, pools.ffn_plan, ffn, 1),
        )
        for physics, plan, cost, count in sides:
            chips = count * float(np.max(plan.replica_chips))
            joules += chips * total_s * dynamic_w(physics, cost.compute_s, cost.memory_s, total_s)
        return joules


def attention_ffn_step_times(
    pools: AttentionFfn, graphs: bool = True, reach: SampleRange | None = None, **fields: Any
) -> StepTimes:
    """`StepTimes` of a group as one replica of the event engine, its KV and slots those of all attention replicas.

    Decode steps lie in one table by (sequences of the group, mean KV). Energy is sampled at short contexts.
    """
    reach = reach or SampleRange()
    group = Group(pools, graphs)
    tokens = Axis(reach.tokens, linear_count=max(32, reach.linear_count))
    past = Axis(reach.past_tokens, linear_count=reach.linear_count)
    chunk = Axis(reach.tokens, linear_count=reach.linear_count)
    batch = Axis(reach.decodes * pools.replicas, linear_count=max(32, reach.linear_count))
    sequences = Axis(reach.sequences * pools.replicas, linear_count=max(16, reach.linear_count))
    grid = [part.ravel() for part in np.meshgrid(batch.knots(), np.maximum(past.knots(), 1.0), indexing="ij")]
    decode = group.decode_s(grid[0], grid[1])
    each = StepColumns(decode_sequences=np.maximum(np.ceil(grid[0] / pools.replicas), 1.0), kv_tokens=grid[1])
    beside = np.where(grid[0] > 0, group.attention_cost(each, len(grid[0]), False).attention_s, 0.0)
    cells = [part.ravel() for part in np.meshgrid(np.maximum(chunk.knots(), 1.0), past.knots(), indexing="ij")]
    prompt = StepColumns(prefill_sequences=1.0, prefill_tokens=cells[0], past_tokens=cells[1])
    prefill = group.attention_cost(prompt, len(cells[0]), False).attention_s.reshape(chunk.size, past.size).copy()
    prefill[0] = 0.0
    some = np.maximum(tokens.knots(), 1.0)
    dense, energy = _dense(group, some)
    idle_w = pools.replicas * float(np.max(pools.attention_plan.replica_chips * pools.attention.machine.idle_w))
    idle_w += float(np.max(pools.ffn_plan.replica_chips * pools.ffn.machine.idle_w))
    return StepTimes(
        dense_pure=ZERO,
        dense_mixed=Table(tokens, dense),
        prefill=Table(chunk, prefill, past),
        decode_pure=Table(batch, decode.reshape(batch.size, past.size), past),
        decode_mixed=Table(batch, beside.reshape(batch.size, past.size), past),
        head=Table(sequences, group.head_s(sequences.knots())),
        energy_pure=Table(tokens, energy[0]),
        energy_mixed=Table(tokens, energy[1]),
        idle_w=idle_w,
        **fields,
    )


def _dense(group: Group, tokens: Floats) -> tuple[Floats, tuple[Floats, Floats]]:
    """(seconds of a step with a chunk without attention and head; J of steps of decodes, J of steps with a chunk)."""
    pools = group.pools
    share = np.maximum(np.ceil(tokens / pools.replicas), 1.0)
    alone = group.attention_cost(StepColumns(decode_sequences=tokens, kv_tokens=1.0), len(tokens), False)
    ffn = group.ffn_cost(tokens, False)
    there_s, back_s = group.link_s(tokens, tokens)
    dense = alone.rest_s + ffn.time_s + group.layers * (there_s + back_s)
    spread = group.attention_cost(StepColumns(decode_sequences=share, kv_tokens=1.0), len(tokens), group.graphs)
    pure_s = group.decode_s(tokens, np.ones(len(tokens))) + group.head_s(tokens)
    return dense, (
        group.energy_j(spread, ffn, pure_s),
        group.energy_j(spread, ffn, dense + group.head_s(np.ones(len(tokens)))),
    )
