"""Trace readers: one file per format, each with `read(path, skip_bad) -> Trace`; found by name.

A malformed row is refused with file and line, or left out and counted in `Trace.skipped` when `skip_bad` is set.
"""

from __future__ import annotations

from pathlib import Path

from simcore.registry import GROUPS, PluginRegistry
from simcore.spec.traffic import Trace

readers = PluginRegistry("trace format", "workloads.traces", "read", GROUPS["trace"])


def read_trace(path: str | Path, form: str | None = None, skip_bad: bool = False) -> Trace:
    """Read a trace file; the format is told by its header or first line unless `form` names it.

    Raises InputError for a missing file, an unknown format or (without `skip_bad`) a malformed row.
    """
    from workloads.traces._rows import existing, guess

    file = existing(path)
    reader = readers(form or guess(file))
    trace: Trace = reader(file, skip_bad)
    return trace
