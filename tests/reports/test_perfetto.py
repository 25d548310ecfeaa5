"""Traces: every replica is there by name, with its counters, and slices of a track never overlap."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import simcore
from planners.tasks.answer import from_file
from reports.perfetto import COUNTERS, of_pipeline, of_run, of_tasks
from scenarios.read import read, with_changes

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WHOLE = (0.0, 1e9)


def tracks(events: list[dict[str, Any]]) -> dict[tuple[int, int], list[tuple[float, float]]]:
    """(begin, end) of every slice by process and thread, in order."""
    found = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            found[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    return {track: sorted(slices) for track, slices in found.items()}


def check(events: list[dict[str, Any]]) -> set[str]:
    """No slice begins before the last of its track has ended, all tracks are named; the names of slices."""
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    for track, slices in tracks(events).items():
        assert names[track]
        for (_, end), (begin, _) in pairwise(slices):
            assert begin >= end - 0.0015, (track, end, begin)  # times are cut to nanoseconds
    return {event["name"] for event in events if event["ph"] == "X"}


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("simulate-llama-70b.toml", {"traffic.requests": 150, "plan.dp": 3}),
        ("pipeline.toml", {"traffic.requests": 60}),
        ("disaggregated.toml", {"traffic.requests": 60}),
    ],
)
def test_a_run_has_all_replicas_and_no_overlaps(file: str, changes: dict[str, Any]) -> None:
    from scenarios.simulate import simulate

    run = simulate(with_changes(read(EXAMPLES / file), changes), log_steps=1_000_000).run
    events = list(of_run(run, WHOLE))
    assert check(events) >= {"queue", "prefill", "decode"}
    replicas = set(range(len(run.replicas)))
    assert {event["pid"] for event in events if event["name"] == "process_name"} == replicas
    assert {event["pid"] for event in events if event["ph"] == "X" and event["tid"] < 1000} == replicas
    for name, _ in COUNTERS:
        assert {event["pid"] for event in events if event["ph"] == "C" and event["name"] == name} == replicas
    if file != "pipeline.toml":  # stages of a pipeline work at once; elsewhere a step ends before the next begins
        assert {tid for _, tid in tracks(events) if tid < 1000} == {0}
    steps = sum(e["args"]["steps"] for e in events if e["ph"] == "X" and "steps" in e["args"])
    assert steps == int(run.replicas["steps"].sum()) > 0


def test_a_training_step_and_a_schedule() -> None:
    found = simcore.train(with_changes(read(EXAMPLES / "train-llama-8b.toml"), {"plan.pp": 4, "plan.dp": 2}))
    assert check(list(of_pipeline(found.step.pipeline))) == {"forward", "backward"}
    rows = [("gpu", "a", 0.0, 2.0), ("", "copy", 0.0, 3.0), ("", "copy", 1.0, 2.0), ("gpu", "b", 2.0, 3.0)]
    events = list(of_tasks(rows))
    assert check(events) == {"a", "b", "copy"} and len(tracks(events)) == 3


def test_tasks_that_share_an_engine_lie_in_lanes() -> None:
    from commands.tasks import named

    assert check(list(of_tasks(named(from_file(EXAMPLES / "stream-weights.toml", {})))))
