"""Builders of the few shapes that every block is made of: matrices, elementwise kernels, collectives."""

from __future__ import annotations

import numpy as np

from simcore.ops.op import Column, Op, PlanColumns
from simcore.spec.model import Matrix


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
