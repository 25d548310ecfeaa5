"""Kernels that wait for their host: closed forms, the task engine, and what a step of a deployment says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.asked import answer
from simcore.engine.tasks.graph import Task, Tasks
from simcore.engine.tasks.run import run
from simcore.errors import InputError
from simcore.step.host_launch import HostLaunch, launched

SIZES = st.lists(st.floats(1e-6, 1e-4), min_size=1, max_size=30)


@given(SIZES, st.floats(1e-6, 5e-5), st.floats(0.0, 1e-5))
@settings(max_examples=40, deadline=None)
def test_single_kernels_are_those_of_the_task_engine(kernels: list[float], call_s: float, launch_s: float) -> None:
    tasks, begins = Tasks({}, {"host": 1, "gpu": 1}), []
    for own_s in kernels:
        call = tasks.add(Task(call_s, engine="host", cap=1.0))
        arrived = tasks.add(Task(0.0, after=(call,), latency_s=launch_s))
        begins.append((call, tasks.add(Task(own_s, after=(arrived,), engine="gpu", cap=1.0))))
    found = launched(np.array(kernels), np.full(len(kernels), -1), HostLaunch(call_s, launch_s))
    wanted = run(tasks.graph())
    assert found.time_s == pytest.approx(wanted.makespan_s, rel=1e-9)
    waits = [wanted.begin_s[kernel] - wanted.end_s[call] for call, kernel in begins]
    assert found.tklqt_s == pytest.approx(sum(waits), rel=1e-9, abs=1e-15)


def test_launch_time_is_flat_where_the_host_rules_and_queues_grow_where_the_chip_does() -> None:
    host, alone = HostLaunch(10e-6, 2e-6), np.full(100, -1)
    few, some, many = (launched(np.full(100, own_s), alone, host) for own_s in (1e-6, 5e-6, 20e-6))
    assert few.tklqt_s == pytest.approx(some.tklqt_s) == pytest.approx(100 * 2e-6) and few.is_host_bound
    assert not many.is_host_bound and many.queue_s > 10 * few.tklqt_s
    assert few.time_s == pytest.approx(100 * 10e-6 + 2e-6 + 1e-6) and many.time_s == pytest.approx(12e-6 + 100 * 20e-6)


def test_a_graph_is_one_object() -> None:
    host = HostLaunch(10e-6, 2e-6, graph_call_s=20e-6, graph_launch_s=5e-6, graph_gap_s=1e-6)
    found = launched(np.full(100, 1e-6), np.zeros(100, np.int64), host)
    assert (found.objects, found.kernels) == (1, 100)
    assert found.time_s == pytest.approx(20e-6 + 5e-6 + 100 * 1e-6 + 99 * 1e-6)
    assert found.tklqt_s == pytest.approx(5e-6) and found.idle_s == pytest.approx(found.time_s - 100e-6)


def asked(system: str = "gh200", tokens: float = 256, **host: Any) -> Any:
    raw = {
        "name": "host",
        "model": {"name": "llama-3.2-1b"},
        "hardware": {"system": system, "stack": "datasheet"},
        "asked": {
            "prefill_tokens": tokens,
            "host": {"call_s": 7.5e-6, "launch_s": 2.5e-6, "kernel_ratio": 2.5, **host},
        },
    }
    return answer(raw, "host.toml")


def test_a_step_leaves_its_host_behind_as_it_grows() -> None:
    small, large = asked(), asked(tokens=16384)
    assert small["is_host_bound"] and not large["is_host_bound"]
    assert small["kernels"] == large["kernels"] and small["host_s"] == large["host_s"]
    assert asked(graphs="layer")["time_s"] < small["time_s"] > asked(graphs="step")["time_s"]
    assert asked("h100-pcie")["device_per_host_ratio"] > small["device_per_host_ratio"]
    slower = asked("dgx-1-p100")  # hosts of another speed
    assert slower["host_s"] == pytest.approx(small["host_s"] / 0.63)


def test_streams_and_a_host_are_two_questions() -> None:
    raw = {"asked": {"decode_sequences": 4, "context_tokens": 100, "host": {"call_s": 1e-6}, "micro_batches": 2}}
    with pytest.raises(InputError, match=r"asked\.micro_batches: is not known beside asked\.host"):
        answer(raw, "host.toml")
