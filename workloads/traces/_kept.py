"""A trace file is read once: what was made of it is kept by its content and by how it was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from simcore.cost.kept_values import keep_value, kept_value, state_of
from simcore.spec.traffic import Trace

KIND = "traces"
LEAST_BYTES = 4096
"""smaller files are read faster than they are looked for"""


def once(file: Path, asked: str, read: Callable[[], Trace]) -> Trace:
    """`read()`, or what it gave for the same content, name and question."""
    try:
        data = file.read_bytes()
    except OSError:
        return read()
    if len(data) < LEAST_BYTES:
        return read()
    key = f"{hashlib.sha256(data).hexdigest()} {file} {asked} {state_of('workloads/traces')}"
    kept = kept_value(KIND, key, (Trace,))
    if isinstance(kept, Trace):
        return kept
    trace = read()
    keep_value(KIND, key, trace)
    return trace
