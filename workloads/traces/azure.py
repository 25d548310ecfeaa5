"""Azure LLM inference traces of 2023 and 2024: `TIMESTAMP,ContextTokens,GeneratedTokens`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simcore.spec.traffic import Trace
from workloads.traces._rows import Row, Rows, csv_lines, whole


def read(file: Path, skip_bad: bool = False) -> Trace:
    """Requests in order of their time stamps."""
    rows = Rows(file, skip_bad)
    rows.parse(csv_lines(file), _parse)
    return rows.trace()


def _parse(row: dict[str, Any]) -> Row:
    return {
        "arrival_s": seconds(row["TIMESTAMP"]),
        "input_tokens": whole(row["ContextTokens"]),
        "output_tokens": whole(row["GeneratedTokens"]),
    }


def seconds(text: str) -> float:
    """Seconds since 1970 of "2023-11-16 18:17:03.9799600" (seven digits) or of an ISO time with a zone."""
    head, _, tail = text.strip().partition(".")
    digits = tail.rstrip("Z").split("+")[0]
    zone = "+00:00" if "+" not in tail else "+" + tail.split("+")[1]
    moment = datetime.fromisoformat(head.rstrip("Z") if "+" in head else head.rstrip("Z") + zone)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp() + (float(f"0.{digits}") if digits else 0.0)
