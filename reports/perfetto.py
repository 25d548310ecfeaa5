"""A run as a Perfetto trace (Chrome's JSON): processes are replicas, with their steps, requests and counters.

Slices of a track never overlap: requests of a replica take the first lane that is free when they arrive.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Event = dict[str, Any]
REQUESTS = 1000
"""tracks of a replica: its steps from 0, a track per stage that works at once; lanes of requests from here"""
COUNTERS = (
    ("KV share", "kv_ratio"),
    ("running", "running"),
    ("queue", "waiting"),
    ("power W", "power_w"),
    ("output tokens/s", "output_tokens_per_s"),
)
SHOWN = ("steps", "chunks", "chunk_tokens", "decodes", "waiting", "used_blocks")
"""of a step"""
MARKS = (
    ("queue", "arrival_s", "scheduled_s"),
    ("prefill", "scheduled_s", "first_token_s"),
    ("decode", "first_token_s", "done_s"),
)


def write_trace(path: Path, events: Iterable[Event]) -> None:
    """All events as one JSON file."""
    path.write_text(as_text(events), encoding="utf-8")


def as_text(events: Iterable[Event]) -> str:
    """The trace as JSON."""
    return json.dumps({"traceEvents": list(events), "displayTimeUnit": "ms"})


def named(what: str, name: str, pid: int, tid: int = 0) -> Event:
    """What a process or a thread is called."""
    return {"name": f"{what}_name", "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}}


def slice_of(name: str, track: tuple[int, int], begin_s: float, end_s: float, args: Event) -> Event:
    """A slice of a track (process, thread); microseconds, cut to nanoseconds so that neighbours meet."""
    begin = round(begin_s * 1e6, 3)
    duration = max(round(round(end_s * 1e6, 3) - begin, 3), 0.0)
    return {"name": name, "ph": "X", "pid": track[0], "tid": track[1], "ts": begin, "dur": duration, "args": args}


def of_run(run: Any, window: tuple[float, float], names: tuple[str, ...] = ()) -> Iterator[Event]:
    """Steps, requests and counters of every replica within a window in seconds; `names` of the replicas."""
    for at in range(len(run.replicas)):
        yield named("process", names[at] if names else f"replica {at}", at)
        yield {"name": "process_sort_index", "ph": "M", "pid": at, "args": {"sort_index": at}}
        yield named("thread", "steps", at)
        yield from counters(run, at, window)
    yield from steps(run, window)
    yield from requests(run, window)


def steps(run: Any, window: tuple[float, float]) -> Iterator[Event]:
    """Every step, or run of equal decode steps. A pipeline's steps overlap, as its stages work on several at once:
    those take further tracks."""
    log = run.log[(run.log["end_s"] > window[0]) & (run.log["start_s"] < window[1])]
    free: dict[int, list[float]] = {}
    for row in log:
        kind = "mixed" if row["chunks"] and row["decodes"] else "prefill" if row["chunks"] else "decode"
        at, begin, end = int(row["replica"]), float(row["start_s"]), float(row["end_s"])
        ends = free.setdefault(at, [])
        lane = next((i for i, last in enumerate(ends) if last <= begin), len(ends))
        if lane == len(ends):
            ends.append(end)
            if lane:
                yield named("thread", f"steps, stage {lane + 1}", at, lane)
        ends[lane] = end
        yield slice_of(kind, (at, lane), begin, end, {key: int(row[key]) for key in SHOWN})


def requests(run: Any, window: tuple[float, float]) -> Iterator[Event]:
    """Queue, prefill and decode of every request that was served, each request in one lane of its replica."""
    rows = run.requests
    inside = (rows["done_s"] > window[0]) & (rows["arrival_s"] < window[1]) & (rows["done_s"] >= 0)
    busy: dict[int, list[tuple[float, int]]] = {}
    known: dict[int, int] = {}
    for number in sorted(np.flatnonzero(inside), key=lambda i: float(rows[i]["arrival_s"])):
        row = rows[number]
        at, arrival = int(row["replica"]), float(row["arrival_s"])
        lanes = busy.setdefault(at, [])
        if lanes and lanes[0][0] <= arrival:
            lane = heapq.heappop(lanes)[1]
        else:
            known[at] = known.get(at, 0) + 1
            lane = REQUESTS + known[at]
            yield named("thread", f"requests, lane {known[at]}", at, lane)
        heapq.heappush(lanes, (float(row["done_s"]), lane))
        more = {"request": int(number), "input_tokens": int(row["input_tokens"])}
        more |= {"output_tokens": int(row["output_tokens"]), "cached_tokens": int(row["cached_tokens"])}
        for name, begin, end in MARKS:
            yield slice_of(name, (at, lane), float(row[begin]), float(row[end]), more)


def counters(run: Any, at: int, window: tuple[float, float]) -> Iterator[Event]:
    """KV, queue, power and others of a replica over time."""
    from simcore.engine.metrics import series

    columns = series(run, at)
    inside = (columns["start_s"] >= window[0]) & (columns["start_s"] < window[1])
    for name, key in COUNTERS:
        for begin, value in zip(columns["start_s"][inside].tolist(), columns[key][inside].tolist(), strict=True):
            yield {"name": name, "ph": "C", "pid": at, "ts": round(begin * 1e6, 3), "args": {"value": round(value, 6)}}


def of_tasks(rows: Iterable[tuple[str, str, float, float]]) -> Iterator[Event]:
    """(engine, task, begin, end) of a schedule, a track an engine; tasks that have none, or share one, lie in lanes."""
    yield named("process", "schedule", 0)
    tracks: dict[str, list[tuple[int, float]]] = {}
    count = 0
    for engine, task, begin, end in sorted(rows, key=lambda row: row[2]):
        lanes = tracks.setdefault(engine, [])
        free = next((i for i, (_, last) in enumerate(lanes) if last <= begin), len(lanes))
        if free == len(lanes):
            lanes.append((count, end))
            yield named("thread", (engine or "links") + (f", lane {free + 1}" if free else ""), 0, count)
            count += 1
        tid = lanes[free][0]
        lanes[free] = (tid, end)
        yield slice_of(task, (0, tid), begin, end, {})


PASSES = ("forward", "backward", "input gradient", "weight gradient", "forward and backward")


def of_pipeline(pipeline: Any) -> Iterator[Event]:
    """Every pass of every rank of a training step."""
    yield named("process", "training step", 0)
    for rank in range(pipeline.program.ranks):
        yield named("thread", f"rank {rank}", 0, rank)
    for rank, kind, stage, microbatch, begin_s, end_s in passes(pipeline):
        what = {"stage": stage, "microbatch": microbatch}
        yield slice_of(kind, (0, rank), begin_s, end_s, what)


def passes(pipeline: Any) -> Iterator[tuple[int, str, int, int, float, float]]:
    """(rank, kind, stage, microbatch, begin, end) of every pass."""
    program = pipeline.program
    for rank in range(program.ranks):
        for at in range(program.starts[rank], program.starts[rank + 1]):
            kind, cell = (int(value) for value in program.rows[at, :2])
            place = divmod(cell, program.microbatches)
            yield rank, PASSES[kind], *place, float(pipeline.begins_s[at]), float(pipeline.ends_s[at])
