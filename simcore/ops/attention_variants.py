"""Token mixers: softmax attention, latent attention, linear attention, Mamba-2."""

from __future__ import annotations

import numpy as np

from simcore.ops.build import collective, gemm
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.spec.model import Attention, LayerGroup, LinearAttention, Mamba2, Matrix, Mla, ModelSpec


def lower_mixer(model: ModelSpec, group: LayerGroup, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections and the mixing itself of one layer, `group.count` times."""
    mixer = group.mixer
    assert mixer is not None
    *inputs, output = (gemm(m, step.tokens, plan, group.count, plan.weight_bytes) for m in _ordered(mixer, model))
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
    """Rotary and KV write, prefill attention, decode attention with grouped heads."""
    heads, kv_heads = mixer.heads / plan.tp, np.maximum(mixer.kv_heads / plan.tp, 1.0)
    width = (heads + 2.0 * kv_heads) * mixer.head_dim
    ops = [_rope_and_write(count, step, width, 2.0 * kv_heads * mixer.head_dim, plan)]
    shape: dict[str, Column | str] = {
        "num_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": float(mixer.head_dim),
        "window_size": float(mixer.window_tokens or 0),
    }
    span = mixer.span_tokens
    if step.prefills:
        ops.append(
            prefill_op(
                "attention_prefill",
                (heads, mixer.head_dim * 2.0),
                kv_heads * mixer.head_dim * 2.0,
                count,
                plan,
                step,
                span,
            )
        )
        ops[-1].shape.update(shape, batch_size=step.prefill_sequences, isl=step.prefill_tokens, past=step.past_tokens)
    if step.decodes:
        seen = (step.kv_tokens if span is None else np.minimum(step.kv_tokens, span)) / plan.cp
        ops.append(
            Op(
                "attention_decode",
                "attention_decode",
                "attention",
                count,
                flop=4.0 * step.decode_sequences * heads * mixer.head_dim * seen,
                stream_bytes=step.decode_sequences * seen * 2.0 * kv_heads * mixer.head_dim * plan.kv_bytes,
                cache_bytes=2.0 * step.decode_sequences * heads * mixer.head_dim * plan.activation_bytes,
                shape={**shape, "batch_size": step.decode_sequences, "step": step.kv_tokens / plan.cp},
            )
        )
    return ops + _context_exchange(heads * mixer.head_dim, count, plan, step)


def prefill_op(
    name: str,
    head: tuple[Column, float],
    kv_width: Column,
    count: int,
    plan: PlanColumns,
    step: StepColumns,
    span: int | None,
) -> Op:
    """Causal attention of new tokens over themselves and the past.

    `head` = (local heads, query-key width + value width per head). Pairs per sequence:
    t past + t^2/2, of which a window of `span` keeps at most t span.
    """
    heads, widths = head
    new, past = step.prefill_tokens, step.past_tokens
    pairs = new * past + 0.5 * new * new
    if span is not None:
        pairs = np.minimum(pairs, new * span)
    read = past + new if span is None else np.minimum(past + new, span + new)
    kind = "mla_prefill" if name.startswith("mla") else "attention_prefill"
    return Op(
        name,
        kind,  # type: ignore[arg-type]
        "attention",
        count,
        flop=2.0 * step.prefill_sequences * heads * widths * pairs / plan.cp,
        stream_bytes=step.prefill_sequences * read * kv_width * plan.kv_bytes / plan.cp,
        cache_bytes=2.0 * step.prefill_sequences * new * heads * widths / 2.0 * plan.activation_bytes / plan.cp,
    )


def latent_attention(mixer: Mla, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """MLA: prefill on expanded heads, decode on the compressed cache (matrix absorption); an indexer first, if any."""
    heads = mixer.heads / plan.tp
    latent = mixer.kv_lora_rank + mixer.qk_rope_head_dim
    ops = [_rope_and_write(count, step, heads * mixer.qk_rope_head_dim + latent, float(latent), plan)]
    if mixer.indexer is not None:
        ops += _indexer(mixer, count, plan, step)
    shape: dict[str, Column | str] = {"num_heads": heads}
    if step.prefills:
        widths = float(mixer.qk_nope_head_dim + mixer.qk_rope_head_dim + mixer.v_head_dim)
        op = prefill_op("mla_prefill", (heads, widths), float(latent), count, plan, step, mixer.span_tokens)
        op.shape.update(shape, batch_size=step.prefill_sequences, isl=step.prefill_tokens, past=step.past_tokens)
        ops.append(op)
    if step.decodes:
        span = mixer.span_tokens
        seen = (step.kv_tokens if span is None else np.minimum(step.kv_tokens, span)) / plan.cp
        ops.append(
            Op(
                "mla_decode",
                "mla_decode",
                "attention",
                count,
                flop=2.0 * step.decode_sequences * heads * (latent + mixer.kv_lora_rank) * seen,
                stream_bytes=step.decode_sequences * seen * latent * plan.kv_bytes,
                cache_bytes=step.decode_sequences * heads * (latent + mixer.kv_lora_rank) * plan.activation_bytes,
                shape={**shape, "batch_size": step.decode_sequences, "step": seen},
            )
        )
    return ops + _context_exchange(heads * mixer.v_head_dim, count, plan, step)


def _indexer(mixer: Mla, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Scores of every cached token for every query: heads x dim products, then top-k. Not split over tp."""
    assert mixer.indexer is not None
    index = mixer.indexer
    pairs = step.prefill_sequences * (step.prefill_tokens * step.past_tokens + 0.5 * step.prefill_tokens**2)
    pairs = (pairs + step.decode_sequences * step.kv_tokens) / plan.cp
    keys = step.prefill_sequences * (step.past_tokens + step.prefill_tokens) + step.decode_sequences * step.kv_tokens
    return [
        Op(
            "indexer",
            "elementwise",
            "attention",
            count,
            flop=2.0 * pairs * index.heads * index.head_dim,
            stream_bytes=keys * index.head_dim * plan.kv_bytes / plan.cp,
            cache_bytes=pairs * 4.0 * 2.0,
            kernels=2,
        )
    ]


def state_mixing(mixer: LinearAttention | Mamba2, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Recurrent state read and written once per sequence and step; work linear in tokens; state in fp32.

    Prefill processes chunks of 64 tokens whose inner products are matrix work (the chunked form of both papers):
    per token and state element 4 FLOP for update and read-out, plus 4 x 64/2 per head dimension inside the chunk.
    """
    state = mixer.state_elements / plan.tp
    conv = mixer.conv_elements / plan.tp
    width = (mixer.value_heads * mixer.value_dim if isinstance(mixer, LinearAttention) else mixer.inner_size) / plan.tp
    linear = isinstance(mixer, LinearAttention)
    shape: dict[str, Column | str] = {"batch_size": step.sequences, "tokens": step.tokens, "tp": plan.tp}
    return [
        Op(
            "state_mixing",
            "linear_attention_gdn" if linear else "mamba2",
            "attention",
            count,
            flop=step.tokens * (4.0 * state + 4.0 * 32.0 * width),
            stream_bytes=2.0 * step.sequences * (state * 4.0 + conv * plan.activation_bytes),
            cache_bytes=4.0 * step.tokens * width * plan.activation_bytes,
            shape=shape,
            kernels=3,
        )
    ]


def _rope_and_write(count: int, step: StepColumns, width: Column, kv_width: Column, plan: PlanColumns) -> Op:
    """Rotary embedding in place and the write of new keys and values to the cache."""
    moved = step.tokens * (2.0 * width * plan.activation_bytes + kv_width * (plan.activation_bytes + plan.kv_bytes))
    return Op(
        "rope_kv_write", "elementwise", "vector", count, flop=6.0 * step.tokens * width, cache_bytes=moved, kernels=2
    )


def _context_exchange(width: Column, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Context parallelism: partial outputs of the cp ranks are combined (ring or all-gather of KV moves as much)."""
    if not np.any(np.asarray(plan.cp) > 1):
        return []
    return [collective("all_reduce", "context", count, step.tokens * width * plan.activation_bytes, plan.cp, plan.tp)]
