"""Lengths without arrivals, ShareGPT-style: CSV `input_tokens,output_tokens`. All requests arrive at time 0.

Give them arrivals with `workloads.generate.with_arrivals`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simcore.spec.traffic import Trace
from workloads.traces._rows import Row, Rows, csv_lines, whole


def read(file: Path, skip_bad: bool = False) -> Trace:
    """Requests at time 0."""
    rows = Rows(file, skip_bad)
    rows.parse(csv_lines(file), _parse)
    return rows.trace()


def _parse(row: dict[str, Any]) -> Row:
    return {
        "arrival_s": 0.0,
        "input_tokens": whole(row["input_tokens"]),
        "output_tokens": whole(row["output_tokens"]),
    }
