"""What a layer keeps of a microbatch from its forward pass to its gradients, bytes per rank, [plans].

Dense layers without fused attention and with dropout are Korthikanti et al. (2022): s b h (10 + 24/t + 5 a s / (h t)),
under sequence parallelism (34 + 5 a s / h) / t; selective recomputation drops the scores, full keeps the layer's input.
The terms follow from the matrices: every input of a matrix, every output that a kernel needs again, the input of every
norm, masks, scores. `alternate` keeps every second matrix output, the attention's and the layer's input (torchtitan's
selective activation checkpointing by operation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simcore.ops.build import local_shape
from simcore.ops.op import Column
from simcore.ops.training import Share
from simcore.spec.model import LayerGroup, Matrix, ModelSpec

SCORE_BYTES, FUSED_BYTES = 5.0, 4.0
"""per score: softmax, dropout, its mask; per head and token of a fused kernel: the logarithm of the sum"""
LOGIT_BYTES = 12.0
"""16-bit and fp32 logits with the gradient of each"""


@dataclass(frozen=True)
class Keeping:
    """What is kept and what is computed again."""

    recompute: str = "none"
    modules: tuple[str, ...] = ()
    dropout: bool = False
    cast_inputs: bool = False
    """inputs of matrices are kept in eight bits only"""


def kept_bytes(model: ModelSpec, group: LayerGroup, share: Share, keeping: Keeping) -> dict[str, Column]:
    """Bytes by kind: inputs, outputs, norms, masks, scores, experts."""
    if keeping.recompute == "full":
        return {"inputs": 2.0 * share.outer_tokens * model.hidden_size}
    found = _mixer(model, group, share, keeping)
    for name, value in _feed_forward(model, group, share, keeping).items():
        found[name] = found.get(name, 0.0) + value
    dropped = {
        "norm": ("norms",),
        "activation": ("activations",),
        "attention": ("scores", "qkv"),
        "projection": ("qkv",),
    }
    for module in keeping.modules:
        for name in dropped.get(module, ()):
            found.pop(name, None)
    if "mlp" in keeping.modules or "moe" in keeping.modules:
        for name in ("up", "activations", "experts"):
            found.pop(name, None)
    if keeping.recompute == "selective":
        found.pop("scores", None)
    if keeping.recompute == "alternate":
        return _alternate(found, model, group, share)
    return found


def _mixer(model: ModelSpec, group: LayerGroup, share: Share, keeping: Keeping) -> dict[str, Column]:
    """Norm, projections and attention."""
    mixer = group.mixer
    if mixer is None:
        return {}
    row = share.outer_tokens * model.hidden_size
    wide = 1.0 if keeping.cast_inputs else 2.0
    found: dict[str, Column] = {"norms": 2.0 * row, "inputs": wide * row}
    if keeping.dropout:
        found["masks"] = row
    inner: Column = 0.0
    outputs: Column = 0.0
    for one in mixer.matrices(model.hidden_size):
        n, k = local_shape(one, share.tp)
        if one.inputs != model.hidden_size or one.name == "attention_out":
            inner = inner + wide * share.tokens * k
        if one.name != "attention_out" and one.split == "column":
            outputs = outputs + 2.0 * share.tokens * n
    heads = mixer.split_heads / share.tp
    documents = share.sequences * share.sequence_tokens / share.attended_tokens
    if share.unfused:
        found["scores"] = SCORE_BYTES * heads * documents * share.attended_tokens**2 / share.cp
    else:
        found["scores"] = FUSED_BYTES * heads * share.tokens
    return {**found, "inner": inner, "qkv": outputs}


def _feed_forward(model: ModelSpec, group: LayerGroup, share: Share, keeping: Keeping) -> dict[str, Column]:
    """Norm, up and down projections, experts."""
    if not group.ffn:
        return {}
    row = share.outer_tokens * model.hidden_size
    wide = 1.0 if keeping.cast_inputs else 2.0
    found: dict[str, Column] = {"norms": 2.0 * row, "inputs": wide * row}
    if keeping.dropout:
        found["masks"] = row
    for block in group.ffn:
        cut = block.cut(model.hidden_size)
        up, down = _up_down(cut, share.tp)
        found["up"] = found.get("up", 0.0) + 2.0 * share.tokens * up
        found["activations"] = found.get("activations", 0.0) + wide * share.tokens * down
        if block.routed_experts:
            pairs = share.tokens / share.tp * block.chosen_experts * share.expert_tp * share.capacity_ratio
            up, down = _up_down(tuple(block.routed(model.hidden_size)), share.expert_tp)
            again = "activation" in keeping.modules
            each = wide * (model.hidden_size + up + (0.0 if again else down)) + (2.0 - wide) * up * (not again)
            found["experts"] = found.get("experts", 0.0) + pairs * each
    return found


def _up_down(matrices: tuple[Matrix, ...], ways: Column) -> tuple[Column, Column]:
    """(outputs of the first, inputs of the last) on one rank; zero where there are none."""
    if not matrices:
        return 0.0, 0.0
    return local_shape(matrices[0], ways)[0], local_shape(matrices[-1], ways)[1]


def _alternate(found: dict[str, Column], model: ModelSpec, group: LayerGroup, share: Share) -> dict[str, Column]:
    """Half of the matrix outputs, the attention's output, the layer's input."""
    row = 2.0 * share.outer_tokens * model.hidden_size
    outputs = found.get("qkv", 0.0) + found.get("up", 0.0) + row * ((group.mixer is not None) + len(group.ffn))
    attention = found.get("inner", 0.0) + found.get("scores", 0.0)
    return {"inputs": row, "outputs": 0.5 * outputs, "attention": attention, "experts": found.get("experts", 0.0)}


def total_bytes(parts: dict[str, Column]) -> Column:
    """Their sum."""
    return sum(parts.values(), 0.0)


def logit_bytes(model: ModelSpec, share: Share) -> Column:
    """Logits of a microbatch on the last stage, and what the loss keeps of them."""
    return LOGIT_BYTES * share.tokens * np.asarray(model.vocab_size / share.tp)
