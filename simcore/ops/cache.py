"""What every attention does around its cache: rotary and KV write, exchange between context-parallel ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simcore.ops.build import collective, elementwise
from simcore.ops.op import Column, Op, PlanColumns, StepColumns

KV_WRITTEN = "kv_write_bytes"
"""column of an operation that writes to the cache, wherever that lies"""


def rope_and_write(count: int, step: StepColumns, width: Column, kv_width: Column, plan: PlanColumns) -> Op:
    """Rotary embedding in place and the write of new keys and values to the cache."""
    tokens = step.rank_tokens(plan.cp)
    moved = tokens * (2.0 * width * plan.activation_bytes + kv_width * (plan.activation_bytes + plan.kv_bytes))
    op = elementwise("rope_kv_write", count, moved, 6.0 * tokens * width, kernels=2)
    return replace(op, shape={KV_WRITTEN: tokens * kv_width * plan.kv_bytes})


def context_exchange(widths: tuple[Column, Column], count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Context parallelism over cp ranks; `widths` = (output, cached) elements per token.

    A prefill gathers the keys and values of the other ranks' tokens (a ring moves as much); a decode step, whose cache
    is spread, adds up the partial outputs.
    """
    if not np.any(np.asarray(plan.cp) > 1):
        return []
    out_width, kv_width = widths
    ops = []
    if step.prefills:
        read = step.prefill_sequences * (step.prefill_tokens + step.past_tokens)
        gathered = collective("all_gather", "context", count, read * kv_width * plan.kv_bytes, plan.cp, plan.tp)
        ops.append(replace(gathered, part="attention"))
    if step.decodes:
        size = step.decode_sequences * out_width * plan.activation_bytes
        ops.append(collective("all_reduce", "context", count, size, plan.cp, plan.tp))
    return ops
