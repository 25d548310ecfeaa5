"""Lowering for training: one layer, embedding and head of a microbatch, forward and both gradients, arrays over plans.

The forward kernels are those that serving lowers (`simcore.ops.blocks`); the backward pass mirrors them:

    y[m, n] = x[m, k] W[k, n]     input gradient: (m, k, n)     weight gradient: (n, k, m)
    attention                     2.5 x the forward work (five products for two; FlashAttention, Dao 2023)
    elementwise                   1.5 x the forward bytes (a norm reads x and dy and writes dx)

Unfused attention (2021 Megatron) writes every score: 13 bytes each forward (products written and read, softmax,
dropout with its mask), 19 backward, and multiplies the whole square. Collectives are not lowered by the blocks here:
what a layer exchanges depends on sequence parallelism, the way of context parallelism and the experts' own mapping.
Wrong where a framework fuses norms or activations into matrices, and for state-space layers, whose backward scan is
taken as 2.5 forward ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from simcore.ops.blocks import lowering
from simcore.ops.build import collective, elementwise, local_shape
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.ops.transformer import norms
from simcore.spec.model import LayerGroup, Matrix, ModelSpec

Pass = Literal["forward", "input", "weight"]
PASSES: tuple[Pass, ...] = ("forward", "input", "weight")
ATTENTION = ("attention_prefill", "mla_prefill")
STATE = ("linear_attention_gdn", "mamba2")
SKIPPED = ("collective", "transfer", "moe")
BACKWARD_ATTENTION, BACKWARD_BYTES = 2.5, 1.5
SCORE_BYTES = {"forward": 13.0, "input": 19.0}
EIGHT_BIT_WIRE = 0.5 * (1.0 + 4.0 / 128.0)
"""bytes of a dispatched element over 16 bits: eight bits, and an fp32 scale for 128 of them"""
LOSS_BYTES = {"forward": 10.0, "input": 6.0}
"""per logit: written in 16 bits, read as fp32 for maximum and sum; the gradient read, formed, written"""


@dataclass(frozen=True)
class Share:
    """What one rank does of a microbatch, [plans]."""

    tp: Column
    cp: Column
    ep: Column
    expert_tp: Column
    sp: Column
    """1 where activations outside the split matrices are sharded over tp"""
    sequences: Column
    """of the microbatch"""
    sequence_tokens: float
    attended_tokens: float
    """mean length of a document: what attention sees of a packed sequence"""
    casts: bool = False
    """matrices multiply in eight bits or less and inputs are converted before"""
    cast_bytes: tuple[float, float, float] = (5.0, 5.0, 0.0)
    """per element: of a matrix's input, of its output's gradient, of the input again in the backward pass"""
    unfused: bool = False
    """attention writes its scores"""
    context: str = "ring"
    skewed: bool = False
    """ranks of a context hold neighbouring tokens: under a causal mask the last one has (2 - 1/cp) of the mean pairs"""
    capacity_ratio: float = 1.0
    """pairs that the experts compute over tokens x topk"""

    @property
    def tokens(self) -> Column:
        """Of the microbatch on one context-parallel rank."""
        return self.sequences * self.sequence_tokens / self.cp

    @property
    def outer_tokens(self) -> Column:
        """Rows of norms and residuals: sharded under sequence parallelism."""
        return self.tokens / np.where(np.asarray(self.sp) > 0, self.tp, 1.0)

    @property
    def plan(self) -> PlanColumns:
        """As the blocks read it; the experts' ranks divide over ep x expert_tp."""
        spread = self.ep * self.expert_tp / (self.tp * self.cp)
        return PlanColumns(self.tp, 1.0, 1.0, spread, self.ep, self.cp, self.sp, 2.0, 2.0, 2.0, 2.0, 2.0)

    @property
    def step(self) -> StepColumns:
        """The microbatch as a prefill of documents."""
        documents = self.sequence_tokens / self.attended_tokens
        return StepColumns(self.sequences * documents, self.attended_tokens)


@dataclass(frozen=True)
class Passes:
    """Operations of the three passes."""

    forward: tuple[Op, ...]
    input: tuple[Op, ...]
    """gradients of inputs, and everything else of the backward pass"""
    weight: tuple[Op, ...]
    """gradients of weights"""

    def of(self, name: Pass) -> tuple[Op, ...]:
        found: tuple[Op, ...] = getattr(self, name)
        return found


def layer(model: ModelSpec, group: LayerGroup, share: Share) -> Passes:
    """One layer of a group."""
    plan, step = share.plan, share.step
    forward: list[Op] = []
    if group.mixer is not None:
        found = lowering(group.mixer.kind)(model, group.mixer, 1, plan, step)
        forward += [split_context(op, share) for op in found if op.kind not in SKIPPED]
    for block in group.ffn:
        found = lowering(block.kind)(model, block, 1, plan, step)
        forward += [op for op in found if op.kind not in SKIPPED and op.name != "expert_combine"]
        if block.routed_experts:
            forward += experts(model, block.routed(model.hidden_size), block.chosen_experts, share)
    forward += norms(model, replace_count(group), plan, step)
    return mirrored([*forward, *exchanges(model, group, share)], share)


def replace_count(group: LayerGroup) -> LayerGroup:
    """One layer of the group."""
    return group.replace(count=1)


def split_context(op: Op, share: Share) -> Op:
    """An attention whose pairs are divided over cp ranks: the kernel's law knows whole sequences."""
    if op.kind not in ATTENTION or not np.any(np.asarray(share.cp) > 1):
        return op
    share_of = (2.0 - 1.0 / share.cp if share.skewed else 1.0) / share.cp
    return replace(op, count=op.count * share_of, flop=op.flop * share.cp, cache_bytes=op.cache_bytes * share.cp)


def experts(model: ModelSpec, matrices: tuple[Matrix, ...], topk: int, share: Share) -> list[Op]:
    """The routed experts of a rank as one grouped shape per matrix, never faster than reading all their weights.

    Every chip brings tokens / tp of its own; after dispatch a rank holds topk x expert_tp copies as many.
    """
    own = share.tokens / share.tp * topk * share.expert_tp * share.capacity_ratio
    found = []
    for one in matrices:
        n, k = local_shape(replace(one, copies=1), share.expert_tp)
        shape: dict[str, Column | str] = {"m": own, "n": n, "k": k}
        held = one.copies / share.ep * n * k
        moved = own * (n + k) * 2.0
        found.append(Op(one.name, "gemm", "expert", 1.0, 2.0 * own * n * k, held * 2.0, moved, shape, kernels=2))
    width = model.hidden_size * 2.0
    return [*found, elementwise("permute", 2.0, 2.0 * own * width)]


def exchanges(model: ModelSpec, group: LayerGroup, share: Share) -> list[Op]:
    """Collectives of a forward pass; `part` says the class."""
    found: list[Op] = []
    size = share.tokens * model.hidden_size * 2.0
    blocks = (group.mixer is not None) + sum(1 for f in group.ffn if f.cut(model.hidden_size))
    if np.any(np.asarray(share.tp) > 1) and blocks:
        sharded = np.where(np.asarray(share.sp) > 0, float(blocks), 0.0)
        found += [
            replace(collective("all_reduce", "tp", blocks - sharded, size, share.tp), part="tp"),
            replace(collective("reduce_scatter", "tp", sharded, size, share.tp), part="tp"),
            replace(collective("all_gather", "tp", sharded, size, share.tp), part="tp"),
        ]
    if any(f.routed_experts for f in group.ffn) and np.any(np.asarray(share.ep * share.expert_tp) > 1):
        found += expert_exchange(model, group, share)
    if np.any(np.asarray(share.cp) > 1) and group.mixer is not None and group.mixer.kv_elements_per_token:
        found.append(context_exchange(group, share))
    return found


def expert_exchange(model: ModelSpec, group: LayerGroup, share: Share) -> list[Op]:
    """Dispatch and combine: each token's vector to every rank that holds one of its experts (duplicates once)."""
    topk = max(f.chosen_experts for f in group.ffn)
    ranks = share.ep * share.expert_tp
    reached = share.ep * (1.0 - (1.0 - 1.0 / share.ep) ** topk) * share.expert_tp
    sent = share.tokens / share.tp * model.hidden_size * 2.0 * reached * np.minimum(share.capacity_ratio, 1.0)
    wire = EIGHT_BIT_WIRE if share.casts else 1.0
    row = share.tokens / share.tp * model.hidden_size * 2.0 * np.minimum(share.capacity_ratio, 1.0)
    found = []
    for name, part in (("dispatch", wire), ("combine", 1.0)):
        op = collective("all_to_all", name, 1.0, sent * part, ranks)
        found.append(replace(op, shape={**op.shape, "topk": float(topk), "row_bytes": row * part}, part="ep"))
    return found


def context_exchange(group: LayerGroup, share: Share) -> Op:
    """Keys and values to the other ranks (ring, gather), or heads for tokens (ulysses: all-to-all of q, k, v, out)."""
    mixer = group.mixer
    assert mixer is not None
    width = mixer.kv_elements_per_token / np.minimum(share.tp, mixer.cache_pieces or 1)
    if share.context == "ulysses":
        inner = max(m.inputs for m in mixer.matrices(1) if m.name == "attention_out") / share.tp
        size = share.tokens * (2.0 * inner + width) * 2.0
        return replace(collective("all_to_all", "cp", 1.0, size, share.cp, share.tp), part="cp")
    size = share.tokens * share.cp * width * 2.0
    return replace(collective("all_gather", "cp", 1.0, size, share.cp, share.tp), part="cp")


def embedding(model: ModelSpec, share: Share) -> Passes:
    """Table look-up; its gradient is a scatter."""
    row = share.tokens * model.hidden_size * 4.0
    return mirrored([elementwise("embedding", 1.0, row)], share)


def head(model: ModelSpec, share: Share) -> Passes:
    """Final norm, head on all tokens in 16 bits, cross entropy over the split vocabulary."""
    tokens, vocab, hidden = share.tokens, model.vocab_size / share.tp, float(model.hidden_size)
    shape: dict[str, Column | str] = {"m": tokens, "n": vocab, "k": hidden}
    moved = tokens * (hidden + vocab) * 2.0
    flop = 2.0 * tokens * vocab * hidden
    matrix = Op("lm_head", "gemm", "attention", 1.0, flop, vocab * hidden * 2.0, moved, shape)
    found = mirrored([elementwise("final_norm", 1.0, 4.0 * share.outer_tokens * hidden), matrix], share)
    loss = [elementwise("loss", 1.0, tokens * vocab * LOSS_BYTES[name]) for name in ("forward", "input")]
    return Passes((*found.forward, loss[0]), (loss[1], *found.input), found.weight)


def mirrored(forward: list[Op], share: Share) -> Passes:
    """The forward operations with their gradients."""
    here: list[Op] = []
    back: list[Op] = []
    weight: list[Op] = []
    for op in forward:
        if op.kind in ATTENTION and share.unfused:
            here += scores(op, "forward")
            back += scores(op, "input")
            continue
        here.append(op)
        back.append(input_gradient(op) if op.part != "ep" else exchange_gradient(op, share))
        if op.kind == "gemm":
            weight.append(weight_gradient(op))
            if share.casts and op.role in ("matrix", "expert") and op.name != "router":
                forward_bytes, gradient_bytes, again_bytes = share.cast_bytes
                here.append(cast(op, "k", forward_bytes))
                back.append(cast(op, "n", gradient_bytes))
                back += [cast(op, "k", again_bytes)] if again_bytes else []
    return Passes(tuple(here), tuple(back), tuple(weight))


def input_gradient(op: Op) -> Op:
    """What an operation's backward pass does beside weight gradients."""
    if op.kind == "gemm":
        shape = {**op.shape, "n": op.shape["k"], "k": op.shape["n"]}
        return replace(op, name=f"{op.name}_input_grad", shape=shape)
    if op.role == "none":
        return replace(op, name=f"{op.name}_grad", shape={**op.shape, "op": MIRROR[str(op.shape["op"])]})
    if op.kind in ATTENTION or op.kind in STATE:
        return replace(op, name=f"{op.name}_grad", count=op.count * BACKWARD_ATTENTION)
    return replace(op, name=f"{op.name}_grad", cache_bytes=op.cache_bytes * BACKWARD_BYTES)


def exchange_gradient(op: Op, share: Share) -> Op:
    """The gradient of a dispatch is a combine, in 16 bits, and the other way round."""
    wire = EIGHT_BIT_WIRE if share.casts else 1.0
    times = 1.0 / wire if "dispatch" in op.name else wire
    shape = {**op.shape}
    for key in ("message_bytes", "row_bytes"):
        value = op.shape[key]
        assert not isinstance(value, str)
        shape[key] = value * times
    return replace(op, name=f"{op.name}_grad", shape=shape)


MIRROR = {
    "all_reduce": "all_reduce",
    "reduce_scatter": "all_gather",
    "all_gather": "reduce_scatter",
    "all_to_all": "all_to_all",
}
"""the collective of the gradient"""


def weight_gradient(op: Op) -> Op:
    """dW[n, k] = dy[m, n]^T x[m, k], added to the fp32 gradients."""
    shape = {"m": op.shape["n"], "n": op.shape["k"], "k": op.shape["m"]}
    return replace(op, name=f"{op.name}_weight_grad", shape=shape, stream_bytes=op.stream_bytes * 4.0)


def cast(op: Op, side: Literal["k", "n"], moved_bytes: float) -> Op:
    """Conversion of a matrix's input (k wide) or output gradient (n wide) to the format that it multiplies in."""
    m, width = op.shape["m"], op.shape[side]
    assert not isinstance(m, str) and not isinstance(width, str)
    return replace(elementwise(f"{op.name}_cast", op.count, m * width * moved_bytes), part="cast")


def scores(op: Op, name: Literal["forward", "input"]) -> list[Op]:
    """Attention that writes its scores: two products over the whole square, twice as many backward, and the bytes."""
    heads, sequences, length = op.shape["num_heads"], op.shape["batch_size"], op.shape["isl"]
    assert not isinstance(heads, str) and not isinstance(sequences, str) and not isinstance(length, str)
    pairs = heads * sequences * length * length
    times = 1.0 if name == "forward" else 2.0
    flop = 2.0 * times * op.flop
    products = Op("attention_products", "elementwise", "attention", op.count, flop, part="product")
    moved = Op(
        "attention_scores", "elementwise", "vector", op.count, cache_bytes=pairs * SCORE_BYTES[name], part="score"
    )
    return [products, moved]
