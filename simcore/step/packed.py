"""`StepTimes` as one numpy record per value: what kernels read."""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.errors import InputError
from simcore.step.times import POOL_VALUES, TABLES, Axis, StepTimes, Table

N_TABLES = len(TABLES)
(
    DENSE_PURE,
    DENSE_MIXED,
    PREFILL,
    DECODE_PURE,
    DECODE_MIXED,
    HEAD,
    COMMUNICATION,
    ENERGY_PURE,
    ENERGY_MIXED,
    UNEVEN_PURE,
    UNEVEN_MIXED,
    READ_PURE,
    READ_MIXED,
    HOST_PURE,
    HOST_MIXED,
    HELD_PURE,
    HELD_MIXED,
    FED_PURE,
    FED_MIXED,
    HELD_DECODE,
    STREAM_PURE,
    STREAM_MIXED,
    STREAM_PREFILL,
    STREAM_DECODE,
) = range(N_TABLES)

TWO_AXES = (
    PREFILL,
    DECODE_PURE,
    DECODE_MIXED,
    ENERGY_PURE,
    ENERGY_MIXED,
    UNEVEN_PURE,
    UNEVEN_MIXED,
    HELD_DECODE,
    STREAM_PREFILL,
    STREAM_DECODE,
)
"""tables that kernels look up by two values"""

SCALARS = (
    "host_pure_s",
    "host_mixed_s",
    "attention_overlap_ratio",
    "communication_overlap_ratio",
    "stream_s",
    "stream_first_s",
    "stream_own_ratio",
    "stream_wait_s",
    "stream_token_first_ratio",
    "stream_kv_first_ratio",
    "idle_w",
    "most_w",
)
STEP_TIMES = np.dtype(
    [
        ("host_pure_s", "f8"),
        ("host_mixed_s", "f8"),
        ("attention_overlap_ratio", "f8"),
        ("communication_overlap_ratio", "f8"),
        ("stream_s", "f8"),
        ("stream_first_s", "f8"),
        ("stream_own_ratio", "f8"),
        ("stream_wait_s", "f8"),
        ("stream_token_first_ratio", "f8"),
        ("stream_kv_first_ratio", "f8"),
        ("idle_w", "f8"),
        ("most_w", "f8"),
        ("micro_batches", "f8"),
        ("late", "f8"),
        ("stated", "f8", (3,)),
        ("square_merge", "i8"),
        ("has_uneven", "i8"),
        ("streams", "i8"),  # 1: something passes through the main tier
        ("flat", "i8", (N_TABLES,)),  # 1: one value everywhere, which needs no look-up
        ("offset", "i8", (N_TABLES,)),
        ("unit_x", "f8", (N_TABLES,)),
        ("linear_x", "i8", (N_TABLES,)),
        ("size_x", "i8", (N_TABLES,)),
        ("round_x", "i8", (N_TABLES,)),
        ("unit_y", "f8", (N_TABLES,)),
        ("linear_y", "i8", (N_TABLES,)),
        ("size_y", "i8", (N_TABLES,)),
        ("round_y", "i8", (N_TABLES,)),
        ("pool", "f8", (POOL_VALUES,)),
    ],
    align=True,
)


def pack(times: StepTimes) -> Any:
    """The record (length-1 structured array) that the kernels read; raises InputError if the tables are too large."""
    packed = np.zeros(1, STEP_TIMES)
    record = packed[0]
    for name in SCALARS:
        record[name] = getattr(times, name)
    if times.overlap is not None:
        record["micro_batches"], record["late"] = times.overlap.micro_batches, times.overlap.late
        record["stated"] = times.overlap.stated
    record["square_merge"] = times.prefill_merge == "square"
    record["has_uneven"] = bool(np.any(times.uneven_pure.values) or np.any(times.uneven_mixed.values))
    record["streams"] = times.passes
    used = 0
    for number, name in enumerate(TABLES):
        table = getattr(times, name)
        if number in TWO_AXES and table.y is None:
            table = _repeated(table)
        values = np.ascontiguousarray(table.values, dtype=float).ravel()
        if used + values.size > POOL_VALUES:
            what = f"step times are more than the {POOL_VALUES:,} that the engine holds"
            raise InputError(what, fix="ask for fewer requests at once, or fewer replicas that share a pool")
        record["pool"][used : used + values.size] = values
        record["offset"][number] = used
        record["flat"][number] = bool(np.isfinite(values[0]) and np.all(values == values[0]))
        used += values.size
        for letter, axis in (("x", table.x), ("y", table.y)):
            record["unit_" + letter][number] = axis.unit if axis else 1.0
            record["linear_" + letter][number] = axis.linear_count if axis else 1
            record["size_" + letter][number] = axis.size if axis else 1
            record["round_" + letter][number] = axis.round_up if axis else 0
    return packed


def _repeated(table: Table) -> Table:
    """A table on one axis as one on two that does not depend on the second: what `lookup_2d` needs."""
    y = Axis(1.0)
    return Table(table.x, np.repeat(np.asarray(table.values, dtype=float)[:, None], y.size, axis=1), y)
