"""Columns of an answer in full length, without performance where a plan does not run."""

from __future__ import annotations

import numpy as np

from simcore.ops.op import Array, Column
from simcore.result import Reason


def mask_infeasible(columns: dict[str, Column], rows: int) -> dict[str, Array]:
    """Every column [rows]; performance of infeasible rows is NaN, memory and reason stay."""
    kept = {
        "reason",
        "max_batch",
        "max_resident",
        "max_concurrency",
        "kv_tokens",
        "chips",
        "decode_bound",
        "prefill_bound",
    }
    bad = np.broadcast_to(np.asarray(columns["reason"]) != int(Reason.FEASIBLE), (rows,))
    out: dict[str, Array] = {}
    for name, column in columns.items():
        full = np.broadcast_to(column, (rows,))
        if name in ("reason", "decode_bound", "prefill_bound"):
            full = full.astype(np.int8)
        elif name not in kept and not name.endswith("_bytes"):
            full = np.where(bad, np.nan, full)
        out[name] = full
    return out
