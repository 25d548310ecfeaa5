"""aiconfigurator's operator tables (NVIDIA, Apache-2.0): the layout simcore reads itself, one file per operation.

A folder of `<operation>.parquet` or `.csv`, or one such file. Units: milliseconds; sizes of messages in elements.
"""

from __future__ import annotations

from pathlib import Path

from simcore.calibration.importers._base import Tables, positive, read, require
from simcore.calibration.tables import LAYOUTS, groups
from simcore.errors import InputError

SUFFIXES = (".parquet", ".csv")


def tables(path: Path) -> Tables:
    """{operation: table}; raises InputError for a file of no known operation, a missing or an empty column."""
    files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.suffix in SUFFIXES)
    files = [p for p in files if p.stem in LAYOUTS]
    if not files:
        raise InputError("no operator table here", file=str(path), fix=f"name files {', '.join(LAYOUTS)}")
    found: Tables = {}
    for file in files:
        frame = read(file)
        require(frame, ("latency_ms",), file)
        positive(frame, ("latency_ms",), file)
        groups(frame, file.stem, str(file))
        found[file.stem] = frame
    return found


IMPORTER = tables
