"""The trace that a [traffic] table names: found beside its file, read as the table says, or summed up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from simcore.errors import InputError
from simcore.spec.demand import Demand
from simcore.spec.traffic import Trace


def trace_of(part: Any, file: str, skip_bad: bool = False) -> Trace:
    """The trace of a [traffic] table that stands in `file`, with its head and scales.

    `trace` is relative to that file; $NAME in it is taken from the environment. Raises InputError.
    """
    from workloads.traces import TraceOptions, read_trace

    named = os.path.expandvars(part.trace)
    if "$" in named:
        what = f"{part.trace!r} names a variable that is not set"
        raise InputError(what, file=file, key="traffic.trace", fix="set it to the folder of the traces")
    path = Path(file).parent / os.path.expanduser(named)
    try:
        return read_trace(path, TraceOptions.of(part), skip_bad)
    except InputError as error:
        if error.file is None:
            error.file = file
        raise


def demand_of_trace(part: Any, file: str, skip_bad: bool = False) -> Demand:
    """What the analytic engine needs of that trace: lengths, mean context, mean rate."""
    from workloads.demand import demand_of

    return demand_of(trace_of(part, file, skip_bad), Path(part.trace).stem)
