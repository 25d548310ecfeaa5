"""Attention of grouped heads on one rank: what its operations have in common, whichever tokens they read."""

from __future__ import annotations

from typing import Literal

import numpy as np

from simcore.ops.op import Column, Op, PlanColumns
from simcore.spec.blocks import Attention

Shape = dict[str, Column | str]


def rank_heads(mixer: Attention, plan: PlanColumns) -> tuple[Column, Column]:
    """(query heads, KV heads) of a rank; KV heads are replicated where there are fewer of them than ranks."""
    return mixer.heads / plan.tp, np.maximum(mixer.kv_heads / plan.tp, 1.0)


def attention_op(
    kind: Literal["attention_prefill", "attention_decode"],
    mixer: Attention,
    count: int,
    plan: PlanColumns,
    work: tuple[Column, Column, Column],
    shape: Shape,
) -> Op:
    """`count` times `work`: (FLOP, bytes of keys and values, queries, which are read and whose outputs are written).

    `shape` is what the operator's law needs beside the heads.
    """
    heads, kv_heads = rank_heads(mixer, plan)
    flop, stream_bytes, queries = work
    dim = float(mixer.head_dim)
    return Op(
        kind,
        kind,
        "attention",
        count,
        flop=flop,
        stream_bytes=stream_bytes,
        cache_bytes=2.0 * queries * heads * mixer.head_dim * plan.activation_bytes,
        shape={"num_heads": heads, "num_key_value_heads": kv_heads, "head_dim": dim, "window_size": 0.0, **shape},
    )
