"""Builders of what every block is made of: matrices, elementwise kernels, collectives, projections around a mixing."""

from __future__ import annotations

import numpy as np

from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.spec.model import Matrix, MixerBlock, ModelSpec


def gemm(weights: Matrix, tokens: Column, plan: PlanColumns, count: Column, bytes_per_weight: Column) -> Op:
    """y[m, n] = x[m, k] W[k, n] on one rank: `column` matrices split n over tp, `row` matrices split k."""
    n, k = local_shape(weights, plan.tp)
    return Op(
        weights.name,
        "gemm",
        "matrix",
        count,
        flop=2.0 * tokens * (n * k),
        stream_bytes=n * k * bytes_per_weight,
        cache_bytes=tokens * (n + k) * plan.activation_bytes,
        shape={"m": tokens, "n": n, "k": k},
    )


def local_shape(weights: Matrix, tp: Column) -> tuple[Column, Column]:
    """(n, k) of one rank's slice; parts with fewer pieces than ranks are replicated."""
    if weights.split == "none":
        return float(weights.outputs), float(weights.inputs)
    if weights.split == "row":
        return float(weights.outputs), weights.inputs / tp
    n: Column = 0.0
    for part in weights.parts:
        n = n + part.width / np.minimum(tp, part.pieces)
    return n, float(weights.inputs)


def elementwise(name: str, count: Column, bytes_moved: Column, flop: Column = 0.0, kernels: int = 1) -> Op:
    """A memory-bound kernel on activations."""
    return Op(name, "elementwise", "vector", count, flop=flop, cache_bytes=bytes_moved, kernels=kernels)


def collective(kind: str, where: str, count: Column, size_bytes: Column, group: Column, stride: Column = 1.0) -> Op:
    """A collective of `size_bytes` (the full tensor) over `group` ranks `stride` chips apart."""
    shape: dict[str, Column | str] = {"op": kind, "message_bytes": size_bytes, "ranks": group}
    return Op(f"{kind}_{where}", "collective", "none", count, shape=shape, group=group, stride=stride)


def reduce_ops(where: str, model: ModelSpec, count: float, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """The tp reduction after a row-split matrix: one all-reduce, or reduce-scatter and all-gather under sp."""
    if not np.any(np.asarray(plan.tp) > 1):
        return []
    size = step.rank_tokens(plan.cp) * model.hidden_size * plan.activation_bytes
    if np.any(np.asarray(plan.sp) > 0):
        half = np.where(np.asarray(plan.sp) > 0, count, 0.0)
        return [
            collective("all_reduce", where, count - half, size, plan.tp),
            collective("reduce_scatter", where, half, size, plan.tp),
            collective("all_gather", where, half, size, plan.tp),
        ]
    return [collective("all_reduce", where, count, size, plan.tp)]


def projected(
    model: ModelSpec, mixer: MixerBlock, count: int, plan: PlanColumns, step: StepColumns, mixing: list[Op]
) -> list[Op]:
    """A mixer's projections, the mixing itself, the output projection and its reduction, `count` times."""
    matrices, tokens = mixer.matrices(model.hidden_size), step.rank_tokens(plan.cp)

    def ops(wanted: bool) -> list[Op]:
        found = (m for m in matrices if (m.name == "attention_out") is wanted)
        return [gemm(m, tokens, plan, count, plan.weight_bytes) for m in found]

    return [*ops(False), *mixing, *ops(True), *reduce_ops("attention", model, count, plan, step)]
