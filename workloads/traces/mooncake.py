"""Mooncake traces: JSON lines with timestamp (ms), input_length, output_length and hash_ids of 512-token blocks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from simcore.spec.traffic import Trace
from workloads.traces._rows import Row, Rows, is_text, whole

BLOCK_TOKENS = 512


def read(file: Path, skip_bad: bool = False) -> Trace:
    """Requests with prefix hashes; each hash stands for 512 tokens and all before them."""
    rows = Rows(file, skip_bad)
    rows.parse(_lines(file), _parse)
    return rows.trace(prefix_block_tokens=BLOCK_TOKENS)


def _lines(file: Path) -> Iterator[tuple[int, str | ValueError]]:
    with file.open(encoding="utf-8", errors="surrogateescape") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield number, line if is_text(line) else ValueError("is not UTF-8")


def _parse(line: str) -> Row:
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("is not a JSON object")
    return {
        "arrival_s": float(found["timestamp"]) / 1000.0,
        "input_tokens": whole(found["input_length"]),
        "output_tokens": whole(found["output_length"]),
        "hashes": [int(value) for value in found.get("hash_ids", [])],
    }
