"""Traces of requests from files: `read_trace("mine.csv", TraceOptions(columns={"input": "prompt"}))`.

CSV, JSON lines, JSON and parquet, read column by column. Which column is what is told by the options, by a documented
format (one file each here, a `FORM`), or by its usual name, without regard to case. Times are numbers or ISO dates.
What could be read in two ways is refused by name; what was concluded is told in `Trace.notes["reading"]`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from simcore.registry import GROUPS, PluginRegistry
from simcore.spec.traffic import Trace
from workloads.traces._kept import once
from workloads.traces._options import Form, TraceOptions

__all__ = ["Form", "TraceOptions", "read_trace", "readers"]

readers = PluginRegistry("trace format", "workloads.traces", "FORM", GROUPS["trace"])
PRECISE = ("azure", "burstgpt", "mooncake", "native", "benchmark")
"""formats that are recognised by the names of their columns"""


def read_trace(path: str | Path, options: TraceOptions | str | None = None, skip_bad: bool = False) -> Trace:
    """Read a trace file; a malformed row is refused with its line, or left out and counted in `Trace.skipped`.

    `options` may be just the name of a format. A format of one's own may have `read(path, skip_bad) -> Trace` instead
    of a `FORM`. Raises InputError for a missing file, for columns or units that are not understood, and (without
    `skip_bad`) for a malformed row.
    """
    wanted = TraceOptions(form=options) if isinstance(options, str) else options or TraceOptions()
    own = getattr(readers.implementation(wanted.form), "read", None) if wanted.form else None
    if own is not None:
        trace: Trace = own(Path(path), skip_bad)
    elif wanted.form and readers.file_of(wanted.form) is None:
        trace = _read(path, wanted, skip_bad)
    else:
        asked = replace(wanted, head=None, rate_scale=1.0, input_scale=1.0, output_scale=1.0)
        trace = once(Path(path), f"{asked} {skip_bad}", lambda: _read(path, wanted, skip_bad))
    if wanted.head is not None:
        trace = trace.head(wanted.head)
    scales = (wanted.rate_scale, wanted.input_scale, wanted.output_scale)
    return trace if scales == (1.0, 1.0, 1.0) else trace.scaled(*scales)


def _read(path: str | Path, wanted: TraceOptions, skip_bad: bool) -> Trace:
    """The whole file, not scaled."""
    from workloads.traces._build import Reading
    from workloads.traces._table import read_table

    table = read_table(path, skip_bad)
    form = readers(wanted.form) if wanted.form else _recognised(table.columns)
    reading = Reading(table, wanted, form, skip_bad)
    reading.told += [form.note] if form and form.note else []
    return reading.trace()


def _recognised(columns: dict[str, Any]) -> Form | None:
    for name in PRECISE:
        form: Form = readers(name)
        if all(column in columns for column in form.columns.values()):
            return form
    return None
