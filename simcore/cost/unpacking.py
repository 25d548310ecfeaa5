"""What a product in a format of its own takes beyond bytes and multiplications: unpacking, outliers, kernels beside it.

    compute = max(FLOP / peak, weights x unpack_flop / vector peak) + outlier_ratio x FLOP / bf16 peak
    memory  = bytes / bandwidth + extra_passes x activations / bandwidth
    launch  = extra_kernels x launch of one

Weights are unpacked once for every `TILE_ROWS` rows of the input, since each tile of the output reads them. A format
whose kernels nobody measured is lent another's: that one's time times the ratio of the two rooflines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from simcore.cost.facts import kernel_format
from simcore.ops.op import Column, Op
from simcore.spec.formats import NumberFormat

if TYPE_CHECKING:
    from simcore.cost.machine import Machine

TILE_ROWS = 64.0
"""rows of a product's input that one unpacking serves (tiles of Marlin: 64 rows)"""


@dataclass(frozen=True)
class Unpacking:
    """Of one class of tensors on one machine."""

    weights_per_s: float
    """stored elements that the vector unit unpacks; inf: nothing to do"""
    outlier_flop_per_s: float
    """at which the second product runs"""
    format: NumberFormat
    lent_flop_per_s: float = 0.0
    """peak of the kernels that are lent; 0: its own"""


Unpackings = tuple[Unpacking | None, Unpacking | None, Unpacking | None]
"""of weights, routed experts and KV; None: bytes and multiplications are all"""
CLASS = {"matrix": 0, "expert": 1, "attention": 2}
NOTHING: Unpackings = (None, None, None)


def of_op(op: Op, machine: Machine) -> Unpacking | None:
    """What an operation's tensors take; None for plain ones, and for matrices that are kept in 16 bits."""
    place = CLASS.get(op.role)
    if place is None or op.name in ("lm_head", "router") or (place == 2 and "decode" not in op.kind):
        return None
    return machine.unpacking[place]


@dataclass(frozen=True)
class Beyond:
    """What one execution takes beyond bytes and multiplications, [plans]."""

    unpack_s: Column
    """hides behind the product, or the product behind it"""
    outlier_s: Column
    passes_s: Column
    kernels: float


def beyond(op: Op, machine: Machine, found: Unpacking) -> Beyond:
    """Of an operation whose tensors have a format that is not plain."""
    kind = found.format
    stored = op.stream_bytes / kind.bytes_per_element * kind.kept_ratio
    times = np.maximum(np.ceil(cast(Column, op.shape["m"]) / TILE_ROWS), 1.0) if op.kind == "gemm" else 1.0
    return Beyond(
        stored * times / found.weights_per_s,
        kind.outlier_ratio * op.flop / found.outlier_flop_per_s,
        kind.extra_passes * op.cache_bytes / machine.memory_bytes_per_s,
        float(kind.extra_kernels),
    )


def lent_ratio(op: Op, machine: Machine, found: Unpacking) -> Column:
    """The roofline of an operation over that of the kernels it is lent, [plans]."""
    kind = found.format
    other = kernel_format(kind.kernel)
    far_s = op.stream_bytes / machine.memory_bytes_per_s
    if op.role == "attention":
        peak, theirs_peak = machine.attention_flop_per_s, machine.attention_flop_per_s
    else:
        peak = machine.expert_flop_per_s if op.role == "expert" else machine.matrix_flop_per_s
        theirs_peak = found.lent_flop_per_s
    mine = np.maximum(op.flop / peak, far_s)
    theirs = np.maximum(op.flop / theirs_peak, far_s * other.weight_bytes / kind.bytes_per_element)
    return np.where(theirs > 0, mine / np.maximum(theirs, 1e-30), 1.0)
