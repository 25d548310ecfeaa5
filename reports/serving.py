"""Files of a simulated run: requests.parquet, series.csv, summary.json, asked.json, figures, a Chrome trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from reports.output import output_folder
from simcore.spec.scenario import Scenario
from simcore.spec.version import VERSION

NAMES = ("requests.parquet", "series.csv", "latency.png", "summary.json", "asked.json")


def write_run(
    folder: Path, run: Any, report: dict[str, Any], asked: Scenario, window: tuple[float, float] | None = None
) -> None:
    """Write a run's files to `folder` as one set, the question among them; see `reports.output`."""
    with output_folder(folder, "simulate", NAMES) as stage:
        write_requests(stage / "requests.parquet", run)
        write_series(stage / "series.csv", run)
        draw(stage / "latency.png", run)
        if window is not None:
            write_timeline(stage / "timeline.json", run, window)
        told = {"simcore": VERSION, "scenario": asked.tables()}
        for name, what in (("summary.json", plain(report)), ("asked.json", told)):
            (stage / name).write_text(json.dumps(what, indent=1) + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """NaN and infinity as null, numpy numbers as Python's."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def write_requests(path: Path, run: Any) -> None:
    """One row per request: what it asked, when things happened, the metrics, where it ran."""
    import pyarrow
    import pyarrow.parquet

    from simcore.engine.metrics import request_metrics

    rows = run.requests
    names = (
        "arrival_s",
        "input_tokens",
        "output_tokens",
        "scheduled_s",
        "first_token_s",
        "done_s",
        "cached_tokens",
        "preemptions",
        "replica",
        "session",
        "tenant",
        "slo_class",
        "state",
    )
    columns = {name: np.ascontiguousarray(rows[name]) for name in names} | request_metrics(run)
    pyarrow.parquet.write_table(pyarrow.table(columns), path, compression="zstd")


def write_series(path: Path, run: Any) -> None:
    """Time series of every replica."""
    from simcore.engine.metrics import series

    with path.open("w", encoding="utf-8") as stream:
        for number in range(len(run.replicas)):
            columns = series(run, number)
            if number == 0:
                stream.write(",".join(["replica", *columns]) + "\n")
            for values in zip(*columns.values(), strict=True):
                stream.write(",".join([str(number), *(f"{v:.6g}" for v in values)]) + "\n")


def draw(path: Path, run: Any) -> None:
    """Latency distributions, and what runs and waits over time."""
    from reports.style import PALETTE, figure
    from simcore.engine.metrics import request_metrics, series

    fig, axes = figure(11.0, 4.2, columns=2)
    for color, (name, values) in zip(PALETTE, request_metrics(run).items(), strict=False):
        found = np.sort(values[np.isfinite(values)])
        if len(found):
            share = np.arange(1, len(found) + 1) / len(found)
            axes[0][0].plot(np.maximum(found, 1e-6), share, color=color, label=name.removesuffix("_s"))
    axes[0][0].set(xscale="log", xlabel="seconds", ylabel="share of requests", title="Latency")
    axes[0][0].legend(frameon=False)
    columns = series(run)
    for color, name in zip(PALETTE, ("running", "waiting"), strict=False):
        axes[0][1].plot(columns["start_s"], columns[name], color=color, label=name)
    axes[0][1].set(xlabel="seconds", ylabel="requests", title="First replica")
    axes[0][1].legend(frameon=False)
    fig.savefig(path, dpi=120)


def write_timeline(path: Path, run: Any, window: tuple[float, float]) -> None:
    """Steps and requests of a window in the Chrome trace format (chrome://tracing, Perfetto); times in microseconds."""
    start_s, end_s = window
    events: list[dict[str, Any]] = []
    log = run.log[(run.log["end_s"] > start_s) & (run.log["start_s"] < end_s)]
    for row in log:
        kind = "mixed" if row["chunks"] and row["decodes"] else "prefill" if row["chunks"] else "decode"
        shown = ("steps", "chunks", "chunk_tokens", "decodes", "waiting", "used_blocks")
        events.append(
            {
                "name": kind,
                "ph": "X",
                "pid": 0,
                "tid": 0,
                "ts": float(row["start_s"]) * 1e6,
                "dur": float(row["end_s"] - row["start_s"]) * 1e6,
                "args": {key: int(row[key]) for key in shown},
            }
        )
    rows = run.requests
    inside = (rows["done_s"] > start_s) & (rows["arrival_s"] < end_s) & (rows["done_s"] >= 0)
    for number in np.nonzero(inside)[0]:
        row = rows[number]
        marks = (("queue", "arrival_s", "scheduled_s"), ("prefill", "scheduled_s", "first_token_s"))
        for name, begin, end in (*marks, ("decode", "first_token_s", "done_s")):
            duration = float(row[end] - row[begin]) * 1e6
            place = {"pid": 1 + int(row["replica"]), "tid": int(number)}
            events.append({"name": name, "ph": "X", "ts": float(row[begin]) * 1e6, "dur": duration, **place})
    path.write_text(json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}), encoding="utf-8")
