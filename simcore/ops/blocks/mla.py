"""Multi-head latent attention: expanded heads in prefill, the compressed cache in decode, an indexer before it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simcore.ops.build import gemm, projected
from simcore.ops.cache import context_exchange, rope_and_write
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.ops.spans import Span
from simcore.spec.model import Matrix, Mla, ModelSpec, Part


def lower(model: ModelSpec, mixer: Mla, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections around the mixing, `count` times."""
    return projected(model, mixer, count, plan, step, latent_attention(mixer, count, plan, step))


def latent_attention(mixer: Mla, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """MLA: prefill on expanded heads, decode on the compressed cache (matrix absorption); an indexer first, if any."""
    heads = mixer.heads / plan.tp
    width = float(mixer.kv_elements_per_token)
    ops = [rope_and_write(count, step, heads * mixer.qk_rope_head_dim + width, width, plan)]
    if mixer.indexer is not None:
        ops.append(_indexer(mixer, count, plan, step))
    if step.prefills:
        again = _expanded_past(mixer, plan, step)
        if np.any(np.asarray(again) > 0):
            ops.append(replace(gemm(_expansion(mixer), again, plan, count, 0.0), part="attention"))
        ops.append(_prefill(mixer, count, plan, step))
    if step.decodes:
        ops.append(_decode(mixer, count, plan, step))
    return ops + context_exchange((heads * mixer.v_head_dim, width), count, plan, step)


def span_of(mixer: Mla) -> Span:
    """All tokens, or those that the indexer chooses."""
    return Span(mixer.indexer.topk if mixer.indexer else None)


def latent_width(mixer: Mla) -> float:
    """Elements of one cached token that attention reads."""
    return float(mixer.kv_lora_rank + mixer.qk_rope_head_dim)


def _prefill(mixer: Mla, count: int, plan: PlanColumns, step: StepColumns) -> Op:
    """Expanded heads over all pairs; with an indexer, the chosen tokens on the latent if that is less work.

    The second form is how sparse attention runs on long prompts, the first (masked) on short ones (DeepSeek-V3.2
    technical report, section 2.1).
    """
    heads, sequences = mixer.heads / plan.tp, step.prefill_sequences
    new, past = step.prefill_tokens, step.past_tokens
    widths = mixer.qk_nope_head_dim + mixer.qk_rope_head_dim + mixer.v_head_dim
    work = widths * Span().prefill_pairs(new, past)
    if mixer.indexer is not None:
        sparse = (latent_width(mixer) + mixer.kv_lora_rank) * span_of(mixer).prefill_pairs(new, past)
        work = np.minimum(work, sparse)
    rows = sequences * new / plan.cp
    return Op(
        "mla_prefill",
        "mla_prefill",
        "attention",
        count,
        flop=2.0 * sequences * heads * work / plan.cp,
        stream_bytes=sequences * (new + past) * latent_width(mixer) * plan.kv_bytes,
        cache_bytes=rows * heads * widths * plan.activation_bytes,
        shape={"num_heads": heads, "batch_size": sequences, "isl": new, "past": past},
    )


def _expansion(mixer: Mla) -> Matrix:
    per_head = mixer.qk_nope_head_dim + mixer.v_head_dim
    return Matrix("kv_up_past", mixer.kv_lora_rank, (Part(mixer.heads * per_head, mixer.heads),), "column")


def _expanded_past(mixer: Mla, plan: PlanColumns, step: StepColumns) -> Column:
    """Cached tokens whose keys and values are expanded again by a prefill chunk; none where it runs on the latent."""
    tokens = step.prefill_sequences * step.past_tokens / plan.cp
    if mixer.indexer is None:
        return tokens
    return np.where(np.asarray(step.past_tokens) > mixer.indexer.topk, 0.0, tokens)


def _decode(mixer: Mla, count: int, plan: PlanColumns, step: StepColumns) -> Op:
    """Queries folded into the latent space: only the compressed vector of each seen token is read."""
    heads, sequences = mixer.heads / plan.tp, step.decode_sequences
    latent = latent_width(mixer)
    seen = span_of(mixer).decode_tokens(step.kv_tokens) / plan.cp
    return Op(
        "mla_decode",
        "mla_decode",
        "attention",
        count,
        flop=2.0 * sequences * heads * (latent + mixer.kv_lora_rank) * seen,
        stream_bytes=sequences * seen * latent * plan.kv_bytes,
        cache_bytes=sequences * heads * (latent + mixer.kv_lora_rank) * plan.activation_bytes,
        shape={"num_heads": heads, "batch_size": sequences, "step": seen},
    )


def _indexer(mixer: Mla, count: int, plan: PlanColumns, step: StepColumns) -> Op:
    """Scores of every cached token for every query: heads x dim products, then top-k. Not split over tp."""
    assert mixer.indexer is not None
    index = mixer.indexer
    new, past = step.prefill_tokens, step.past_tokens
    pairs: Column = step.prefill_sequences * Span().prefill_pairs(new, past) + step.decode_sequences * step.kv_tokens
    pairs = pairs / plan.cp
    keys = step.prefill_sequences * (past + new) + step.decode_sequences * step.kv_tokens / plan.cp
    return Op(
        "indexer",
        "elementwise",
        "attention",
        count,
        flop=2.0 * pairs * index.heads * index.head_dim,
        stream_bytes=keys * index.head_dim * plan.kv_bytes,
        cache_bytes=pairs * 4.0 * 2.0,
        kernels=2,
        part="attention",
    )
