"""The documented generic table: one CSV or parquet file of any operations.

Columns: `operation` (gemm, attention_decode, ...), `time_s` or `latency_ms`, the law's shape columns of that operation
(others may stay empty), and optionally `format`, `kv_format`, `stack`, `stack_version`, `kernel_source`, `power_w`.
`collective` rows give `op`, `message_bytes` and `ranks`.
"""

from __future__ import annotations

from pathlib import Path

from simcore.calibration.importers._base import Tables, labelled, positive, read, require
from simcore.calibration.tables import LAYOUTS
from simcore.cost.operator_laws import law
from simcore.errors import InputError

DEFAULTS = {"stack": "own", "stack_version": "0", "kernel_source": ""}


def tables(path: Path) -> Tables:
    """{operation: table}; raises InputError for a missing, empty or non-numeric column and an unknown operation."""
    frame = read(path)
    if "time_s" in frame:
        positive(frame, ("time_s",), path)
        frame = frame.assign(latency_ms=frame["time_s"] * 1e3)
    require(frame, ("operation", "latency_ms"), path)
    positive(frame, ("latency_ms",), path)
    found: Tables = {}
    for operation, rows in frame.groupby("operation"):
        if operation not in LAYOUTS:
            raise InputError(f"unknown operation {operation!r}", file=str(path), fix=f"known: {', '.join(LAYOUTS)}")
        layout = LAYOUTS[str(operation)]
        renamed = rows.rename(
            columns=dict(zip((layout.rename or {}).values(), (layout.rename or {}).keys(), strict=True))
        )
        names = {"format": layout.format, "kv_format": layout.kv_format}
        renamed = renamed.rename(columns={old: new for old, new in names.items() if new})
        back = {new: old for old, new in (layout.rename or {}).items()}
        require(renamed, [back.get(name, name) for name in law(str(operation)).columns], path)
        kept = renamed.dropna(axis=1, how="all").drop(columns=["operation", "time_s"], errors="ignore")
        found[str(operation)] = labelled(kept.reset_index(drop=True), DEFAULTS)
    return found


IMPORTER = tables
