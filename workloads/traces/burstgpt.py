"""BurstGPT: `Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type`, time stamps in seconds.

Failed calls (no response tokens) are malformed rows in this reader: use `skip_bad` to leave them out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simcore.spec.traffic import Trace
from workloads.traces._rows import Row, Rows, csv_lines, whole


def read(file: Path, skip_bad: bool = False) -> Trace:
    """Requests of all models of the trace."""
    rows = Rows(file, skip_bad)
    rows.parse(csv_lines(file), _parse)
    return rows.trace()


def _parse(row: dict[str, Any]) -> Row:
    return {
        "arrival_s": float(row["Timestamp"]),
        "input_tokens": whole(row["Request tokens"]),
        "output_tokens": whole(row["Response tokens"]),
    }
