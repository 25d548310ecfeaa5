"""Text output of NVIDIA's nccl-tests (`all_reduce_perf` and its siblings): sizes in bytes, times in microseconds.

Reads the out-of-place time. The operation is found in the file's name or in its text, the number of ranks in the header
lines (`# Rank ...`) or in `nranks N`. Several files: give the folder.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from simcore.calibration.importers._base import Tables
from simcore.errors import InputError

NAMES = {
    "all_reduce": "all_reduce",
    "all_gather": "all_gather",
    "reduce_scatter": "reduce_scatter",
    "alltoall": "alltoall",
}
ROW = re.compile(r"^\s*(\d+)\s+(\d+)\s+(\w+)\s+(.*)$")


def tables(path: Path) -> Tables:
    """{"collective": table}; raises InputError for a text without an operation, ranks or rows."""
    import pandas as pd

    files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.suffix in (".txt", ".log", ".out"))
    if not files:
        raise InputError("no text output here", file=str(path), fix="give a .txt, .log or .out file of nccl-tests")
    return {"collective": pd.DataFrame([row for file in files for row in rows(file)])}


def rows(file: Path) -> list[dict[str, Any]]:
    """Rows of one run."""
    text = file.read_text(encoding="utf-8", errors="replace")
    op, ranks = operation(file, text), rank_count(file, text)
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = ROW.match(line)
        time_us = first_time(match.group(4)) if match else None
        if match and time_us is not None and int(match.group(1)) > 0:
            if time_us <= 0:
                what = f"{match.group(1)} bytes take {time_us} us"
                raise InputError(what, file=f"{file}:{number}", fix="mend it or leave the line out")
            common = {"stack": "nccl", "stack_version": "0", "kernel_source": "NCCL", "op_name": op, "num_gpus": ranks}
            found.append(common | {"message_bytes": int(match.group(1)), "latency_ms": time_us * 1e-3})
    if not found:
        raise InputError("holds no measurement", file=str(file), fix="keep the table of sizes and times")
    return found


def first_time(rest: str) -> float | None:
    """The first decimal number after type, redop and root: the out-of-place time."""
    match = re.search(r"(\d+\.\d+)", rest)
    return float(match.group(1)) if match else None


def operation(file: Path, text: str) -> str:
    for name in NAMES:
        if name in file.name.lower() or f"{name}_perf" in text:
            return NAMES[name]
    raise InputError(
        "does not say which collective it is", file=str(file), fix=f"name the file after {', '.join(NAMES)}"
    )


def rank_count(file: Path, text: str) -> int:
    listed = len(re.findall(r"^#\s*Rank\s+\d+", text, re.MULTILINE))
    match = re.search(r"nranks\s+(\d+)", text)
    ranks = int(match.group(1)) if match else listed
    if ranks < 2:
        raise InputError("does not say how many ranks ran", file=str(file), fix="keep the header lines `# Rank ...`")
    return ranks


IMPORTER = tables
