"""Measuring the machine at hand: operator tables in the layout that `simcore calibrate` reads, and a manifest.

Every shape is warmed up once, then run over rotated buffers (so that weights come from memory, as they do in a model)
until at least five runs and a tenth of a second are through; the median counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from simcore.calibration.store import toml_text
from simcore.errors import InputError

Say = Callable[[str], None]
SIZES = ("small", "full")
DEVICES = {"cpu": "simcore.calibration.profile_cpu", "cuda": "simcore.calibration.profile_gpu"}
Row = dict[str, Any]


def profile(device: str, size: str, out: Path, say: Say = lambda text: None) -> Path:
    """Measure and write `<operation>.csv` per operation and `manifest.toml` under `out`; returns `out`.

    Raises InputError for an unknown device or size, and for a device that is not at hand.
    """
    if size not in SIZES:
        raise InputError(f"unknown size {size!r}", key="--size", fix=f"known: {', '.join(SIZES)}")
    if device not in DEVICES:
        raise InputError(f"unknown device {device!r}", key="--device", fix=f"known: {', '.join(DEVICES)}")
    tables, manifest = import_module(DEVICES[device]).measure(size, say)
    write(out, tables, manifest)
    say(f"{sum(len(rows) for rows in tables.values())} measurements")
    return out


def write(out: Path, tables: dict[str, list[Row]], manifest: dict[str, Any]) -> None:
    """Tables as CSV, the manifest as TOML."""
    import pandas as pd

    out.mkdir(parents=True, exist_ok=True)
    for operation, rows in tables.items():
        pd.DataFrame(rows).to_csv(out / f"{operation}.csv", index=False)
    (out / "manifest.toml").write_text(toml_text(manifest), encoding="utf-8")


def one_thread() -> AbstractContextManager[Any]:
    """Numpy's libraries on one thread: on a shared machine more threads measure the neighbours."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def clocked(run: Callable[[int], object], seconds: float, least: int = 5) -> float:
    """Median seconds of `run(i)` for i = 0, 1, ...: a warm-up, then at least `least` runs and `seconds` in all.

    The lesser of wall and processor time counts: on a shared machine a run that was put aside does not look slow.
    """
    run(0)
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < least or time.perf_counter() - began < seconds:
        start, used = time.perf_counter(), time.process_time()
        run(len(times) + 1)
        times.append(min(time.perf_counter() - start, time.process_time() - used))
    return median(times)
