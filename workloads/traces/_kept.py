"""A trace file is read once: what was made of it is kept by its content and by how it was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from simcore.kept.values import once as once_by
from simcore.kept.values import state_of
from simcore.spec.traffic import Trace

KIND = "traces"
LEAST_BYTES = 4096
"""smaller files are read faster than they are looked for"""


def once(file: Path, asked: str, read: Callable[[], Trace]) -> Trace:
    """`read()`, or what it gave for the same content, name and question."""
    if not file.is_file():  # a device may have no end
        return read()
    try:
        data = file.read_bytes()
    except OSError:
        return read()
    if len(data) < LEAST_BYTES:
        return read()
    key = f"{hashlib.sha256(data).hexdigest()} {file} {asked} {state_of('workloads/traces')}"
    trace: Trace = once_by(KIND, key, (Trace,), read)
    return trace
