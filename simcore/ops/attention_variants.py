"""Token mixers: softmax attention, latent attention (`latent_attention.py`), linear attention, Mamba-2."""

from __future__ import annotations

import numpy as np

from simcore.ops.build import gemm
from simcore.ops.cache import context_exchange, rope_and_write
from simcore.ops.latent_attention import latent_attention
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.ops.spans import span_of
from simcore.spec.model import Attention, LayerGroup, LinearAttention, Mamba2, Matrix, Mla, ModelSpec


def lower_mixer(model: ModelSpec, group: LayerGroup, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections and the mixing itself of one layer, `group.count` times."""
    mixer = group.mixer
    assert mixer is not None
    tokens = step.rank_tokens(plan.cp)
    *inputs, output = (gemm(m, tokens, plan, group.count, plan.weight_bytes) for m in _ordered(mixer, model))
    if isinstance(mixer, Attention):
        mixing = softmax_attention(mixer, group.count, plan, step)
    elif isinstance(mixer, Mla):
        mixing = latent_attention(mixer, group.count, plan, step)
    else:
        mixing = state_mixing(mixer, group.count, plan, step)
    return [*inputs, *mixing, output]


def _ordered(mixer: Attention | Mla | LinearAttention | Mamba2, model: ModelSpec) -> list[Matrix]:
    """Matrices with the output projection last."""
    found = mixer.matrices(model.hidden_size)
    return [m for m in found if m.name != "attention_out"] + [m for m in found if m.name == "attention_out"]


def softmax_attention(mixer: Attention, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Rotary and KV write, prefill attention, decode attention with grouped heads; a head's sink adds no work."""
    heads, kv_heads = mixer.heads / plan.tp, np.maximum(mixer.kv_heads / plan.tp, 1.0)
    kv_width = 2.0 * kv_heads * mixer.head_dim
    ops = [rope_and_write(count, step, heads * mixer.head_dim + kv_width, kv_width, plan)]
    shape: dict[str, Column | str] = {
        "num_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": float(mixer.head_dim),
        "window_size": float(mixer.mean_span_tokens or 0),
    }
    if step.prefills:
        ops.append(_prefill(mixer, count, plan, step, shape))
    if step.decodes:
        ops.append(_decode(mixer, count, plan, step, shape))
    return ops + context_exchange((heads * mixer.head_dim, kv_width), count, plan, step)


def _prefill(mixer: Attention, count: int, plan: PlanColumns, step: StepColumns, shape: dict[str, Column | str]) -> Op:
    """Causal attention of new tokens: 4 FLOP per head element and pair (scores and values)."""
    heads, kv_heads, sequences = shape["num_heads"], shape["num_key_value_heads"], step.prefill_sequences
    assert not isinstance(heads, str) and not isinstance(kv_heads, str)
    span = span_of(mixer)
    pairs = span.prefill_pairs(step.prefill_tokens, step.past_tokens)
    read = span.prefill_reads(step.prefill_tokens, step.past_tokens)
    rows = sequences * step.prefill_tokens / plan.cp
    return Op(
        "attention_prefill",
        "attention_prefill",
        "attention",
        count,
        flop=4.0 * sequences * heads * mixer.head_dim * pairs / plan.cp,
        stream_bytes=sequences * read * 2.0 * kv_heads * mixer.head_dim * plan.kv_bytes,
        cache_bytes=2.0 * rows * heads * mixer.head_dim * plan.activation_bytes,
        shape={**shape, "batch_size": sequences, "isl": step.prefill_tokens, "past": step.past_tokens},
    )


def _decode(mixer: Attention, count: int, plan: PlanColumns, step: StepColumns, shape: dict[str, Column | str]) -> Op:
    """One query per sequence over the cache, which cp ranks share."""
    heads, kv_heads, sequences = shape["num_heads"], shape["num_key_value_heads"], step.decode_sequences
    assert not isinstance(heads, str) and not isinstance(kv_heads, str)
    seen = span_of(mixer).decode_tokens(step.kv_tokens) / plan.cp
    return Op(
        "attention_decode",
        "attention_decode",
        "attention",
        count,
        flop=4.0 * sequences * heads * mixer.head_dim * seen,
        stream_bytes=sequences * seen * 2.0 * kv_heads * mixer.head_dim * plan.kv_bytes,
        cache_bytes=2.0 * sequences * heads * mixer.head_dim * plan.activation_bytes,
        shape={**shape, "batch_size": sequences, "step": step.kv_tokens / plan.cp},
    )


def state_mixing(mixer: LinearAttention | Mamba2, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Recurrent state read and written once per sequence and step; work linear in tokens; state in fp32.

    Prefill processes chunks of 64 tokens whose inner products are matrix work (the chunked form of both papers):
    per token and state element 4 FLOP for update and read-out, plus 4 x 64/2 per head dimension inside the chunk.
    """
    state = mixer.state_elements / plan.tp
    conv = mixer.conv_elements / plan.tp
    width = (mixer.value_heads * mixer.value_dim if isinstance(mixer, LinearAttention) else mixer.inner_size) / plan.tp
    linear = isinstance(mixer, LinearAttention)
    tokens = step.rank_tokens(plan.cp)
    shape: dict[str, Column | str] = {
        "prefills": step.prefill_sequences,
        "prefill_tokens": step.prefill_tokens,
        "decodes": step.decode_sequences,
        **_state_shape(mixer, plan),
    }
    return [
        Op(
            "state_mixing",
            "linear_attention_gdn" if linear else "mamba2",
            "attention",
            count,
            flop=tokens * (4.0 * state + 4.0 * 32.0 * width),
            stream_bytes=2.0 * step.sequences * (state * 4.0 + conv * plan.activation_bytes),
            cache_bytes=4.0 * tokens * width * plan.activation_bytes,
            shape=shape,
            kernels=3,
        )
    ]


def _state_shape(mixer: LinearAttention | Mamba2, plan: PlanColumns) -> dict[str, Column | str]:
    """The columns of the operator's law, for one rank."""
    if isinstance(mixer, LinearAttention):
        return {
            "num_k_heads": mixer.key_heads / plan.tp,
            "head_k_dim": float(mixer.key_dim),
            "num_v_heads": mixer.value_heads / plan.tp,
            "head_v_dim": float(mixer.value_dim),
        }
    return {
        "nheads": mixer.heads / plan.tp,
        "head_dim": float(mixer.head_dim),
        "n_groups": np.maximum(mixer.groups / plan.tp, 1.0),
        "d_state": float(mixer.state_size),
    }
