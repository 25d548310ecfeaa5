"""The task engine against closed forms, its own lower bounds, and its twin under SimPy."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.engine.tasks.bounds import lower_bounds_s
from simcore.engine.tasks.graph import Graph, Task, Tasks
from simcore.engine.tasks.run import run
from simcore.engine.tasks.under_simpy import World, run_under_simpy
from simcore.errors import InputError

ENGINES = {"gpu": 1, "copy": 2}
NAMES = ("a", "b", "c")
sizes = st.one_of(st.just(0.0), st.floats(0.01, 100.0))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Up to 25 tasks on three resources and two engines, which may pick; each waits for earlier ones only."""
    picking = draw(st.sampled_from([(), ("gpu",), ("copy",), ("gpu", "copy")]))
    tasks = Tasks({name: draw(st.floats(0.1, 10.0)) for name in NAMES}, ENGINES, picking)
    for number in range(draw(st.integers(1, 25))):
        uses = draw(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([0.0, 0.5, 1.0, 3.0])), max_size=3))
        after = draw(st.lists(st.integers(0, number - 1), max_size=3)) if number else []
        engine = draw(st.sampled_from([None, *ENGINES]))
        cap, weight = draw(st.floats(0.1, 20.0)), draw(st.sampled_from([0.5, 1.0, 4.0]))
        latency_s = draw(st.sampled_from([0.0, 0.0, 0.7]))
        tasks.add(Task(draw(sizes), tuple(uses), tuple(after), engine, cap, latency_s, weight))
    return tasks.graph()


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_laws_of_random_graphs(graph: Graph) -> None:
    found = run(graph)
    assert found.makespan_s >= max(lower_bounds_s(graph).values()) * (1 - 1e-12)
    np.testing.assert_allclose(found.used, graph.work, rtol=1e-9, atol=1e-9)
    assert np.all(found.peak_per_s <= graph.capacity_per_s * (1 + 1e-12))
    assert np.all(found.end_s - found.begin_s >= graph.alone_s * (1 - 1e-9))
    twin = run_under_simpy(graph)
    for one, other in ((found.end_s, twin.end_s), (found.begin_s, twin.begin_s), (found.used, twin.used)):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@given(graphs(), st.integers(-6, 6))
@settings(max_examples=30, deadline=None)
def test_times_scale_exactly(graph: Graph, power: int) -> None:
    """Capacities and caps times k, latencies over k: every time over k, to the last bit for a power of two."""
    k = 2.0**power
    faster = replace(graph, capacity_per_s=graph.capacity_per_s * k, cap=graph.cap * k, latency_s=graph.latency_s / k)
    assert np.array_equal(run(faster).end_s * k, run(graph).end_s)


@given(graphs(), st.sampled_from(range(3)))
@settings(max_examples=30, deadline=None)
def test_lower_bounds_fall_with_bandwidth(graph: Graph, which: int) -> None:
    more = graph.capacity_per_s.copy()
    more[which] *= 2.0
    wider = lower_bounds_s(replace(graph, capacity_per_s=more))
    assert all(wider[name] <= bound * (1 + 1e-12) for name, bound in lower_bounds_s(graph).items())


@given(st.integers(1, 12), st.floats(0.01, 10.0), st.floats(0.01, 10.0), st.floats(0.1, 10.0))
@settings(max_examples=40, deadline=None)
def test_a_stream_one_ahead_is_exact(layers: int, compute_s: float, layer_bytes: float, rate: float) -> None:
    """max(L c + W / B, L W / B + c)."""
    tasks = Tasks({"link": rate}, {"gpu": 1, "copy": 1})
    done: list[int] = []
    for layer in range(layers):
        room = (done[layer - 2],) if layer > 1 else ()
        copy = tasks.add(Task(layer_bytes, (("link", 1.0),), room, "copy"))
        done.append(tasks.add(Task(compute_s, (), (copy,), "gpu", 1.0)))
    stream_s = layer_bytes / rate
    wanted = max(layers * compute_s + stream_s, layers * stream_s + compute_s)
    assert run(tasks.graph()).makespan_s == pytest.approx(wanted, rel=1e-9)


def test_equal_flows_end_together_and_weights_divide() -> None:
    tasks = Tasks({"link": 3.0})
    for _ in range(7):
        tasks.add(Task(5.0, (("link", 1.0),)))
    assert run(tasks.graph()).end_s == pytest.approx([35.0 / 3.0] * 7, rel=1e-12)
    heavy = Tasks({"link": 3.0})
    heavy.add(Task(4.0, (("link", 1.0),), weight=2.0))
    heavy.add(Task(4.0, (("link", 1.0),)))
    assert run(heavy.graph()).end_s == pytest.approx([2.0, 8.0 / 3.0], rel=1e-12)


def test_compute_stretches_while_a_copy_takes_its_memory() -> None:
    """A kernel of 2 s at 8 units per second beside a copy of 4 units, capacity 10: max-min per unit of the amount."""
    tasks = Tasks({"memory": 10.0}, {"gpu": 1})
    tasks.add(Task(2.0, (("memory", 8.0),), engine="gpu", cap=1.0, weight=1.0 / 8.0))
    tasks.add(Task(4.0, (("memory", 1.0),), latency_s=1.0, cap=5.0))
    kernel_s, copy_s = run(tasks.graph()).end_s
    assert copy_s == pytest.approx(1.0 + 4.0 / 5.0)
    assert kernel_s == pytest.approx(1.8 + (2.0 - 1.0 - 0.8 * 5.0 / 8.0))


@pytest.mark.parametrize(("nvme", "wanted_s"), [(1.0, 7.0), (2.0, 23.0 / 3.0)])
def test_a_faster_drive_can_cost_time(nvme: float, wanted_s: float) -> None:
    """Its prefetch takes the DRAM from the copy that the GPU waits for."""
    tasks = Tasks({"nvme": nvme, "dram": 3.0, "link": 2.0}, {"gpu": 1, "copy": 1})
    staged = tasks.add(Task(4.0, (("nvme", 1.0), ("dram", 1.0))))
    done: list[int] = []
    for layer in range(3):
        needs = (*done[layer - 2 : layer - 1], *((staged,) if layer == 2 else ()))
        copy = tasks.add(Task(4.0, (("dram", 1.0), ("link", 1.0)), needs, "copy"))
        done.append(tasks.add(Task(1.0, (), (copy,), "gpu", 1.0)))
    assert run(tasks.graph()).makespan_s == pytest.approx(wanted_s, rel=1e-12)


def test_a_blocked_head_blocks_its_engine_and_slots_do_not() -> None:
    tasks = Tasks({}, {"gpu": 1, "copy": 2})
    first = tasks.add(Task(3.0, cap=1.0))
    for engine in ("gpu", "copy"):
        for after in ((), (first,), ()):
            tasks.add(Task(1.0, (), after, engine, 1.0))
    found = run(tasks.graph())
    assert found.end_s.tolist() == [3.0, 1.0, 4.0, 5.0, 1.0, 4.0, 4.0]
    assert found.busy_s("copy") == 3.0
    assert [row[:2] for row in found.timeline()] == [
        *(("gpu", n) for n in (1, 2, 3)),
        *(("copy", n) for n in (4, 5, 6)),
        ("", 0),
    ]


def test_others_of_a_simpy_world_wait_for_a_task() -> None:
    import simpy

    tasks = Tasks({"link": 2.0})
    tasks.add(Task(4.0, (("link", 1.0),), latency_s=1.0))
    env = simpy.Environment()
    world = World(env, tasks.graph())

    def waits() -> Generator[Any, Any, float]:
        yield world.done[0]
        yield env.timeout(1.0)
        return float(env.now)

    assert env.run(env.process(waits())) == 4.0


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (Task(-1.0, cap=1.0), "amount or latency"),
        (Task(np.nan, cap=1.0), "amount or latency"),
        (Task(1.0, cap=0.0), "cap or weight"),
        (Task(1.0), "nothing bounds its rate"),
        (Task(1.0, (("link", -1.0),), cap=1.0), "coefficient"),
        (Task(1.0, (("lnik", 1.0),)), "no such resource or engine: 'lnik'; did you mean link"),
        (Task(1.0, after=(7,), cap=1.0), "that there is not"),
        (Task(1.0, after=(0,), cap=1.0), "that there is not"),
    ],
)
def test_bad_tasks_are_refused(task: Task, words: str) -> None:
    tasks = Tasks({"link": 1.0})
    tasks.add(task)
    with pytest.raises(InputError, match=words):
        tasks.graph()


def test_circles_are_refused_by_all() -> None:
    tasks = Tasks({}, {"gpu": 1})
    tasks.add(Task(1.0, after=(1,), engine="gpu", cap=1.0))
    tasks.add(Task(1.0, engine="gpu", cap=1.0))
    blocked = tasks.graph()
    tasks.add(Task(1.0, after=(3,), cap=1.0))
    tasks.add(Task(1.0, after=(2,), cap=1.0))
    for graph in (blocked, tasks.graph()):
        for runs in (run, run_under_simpy):
            with pytest.raises(InputError, match="wait for each other"):
                runs(graph)
    with pytest.raises(InputError, match="wait for each other"):
        lower_bounds_s(tasks.graph())


def test_a_flow_that_begins_when_another_ends_takes_its_time_under_simpy() -> None:
    tasks = Tasks({}, {"gpu": 1})
    tasks.add(Task(1.0, cap=1.0, latency_s=0.7))
    tasks.add(Task(1.0, engine="gpu", cap=1.0))
    tasks.add(Task(1.0, engine="gpu", cap=1.0, latency_s=0.7))
    for found in (run(tasks.graph()), run_under_simpy(tasks.graph())):
        assert found.end_s == pytest.approx([1.7, 1.0, 2.7])


def test_an_engine_picks_when_all_that_is_ready_now_is_known() -> None:
    """Two tasks without length open the first; it goes before those that nothing held back, under SimPy too."""
    tasks = Tasks({}, {"copy": 2}, ("copy",))
    opens = tasks.add(Task(0.0))
    opens = tasks.add(Task(0.0, after=(opens,)))
    for after in ((opens,), (), ()):
        tasks.add(Task(1.0, after=after, engine="copy", cap=1.0))
    for found in (run(tasks.graph()), run_under_simpy(tasks.graph())):
        assert found.begin_s.tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_an_engine_that_picks_takes_what_is_ready() -> None:
    def makespan_s(picking: tuple[str, ...]) -> float:
        tasks = Tasks({}, {"npu": 1, "cpu": 1}, picking)
        slow = tasks.add(Task(5.0, engine="cpu", cap=1.0))
        tasks.add(Task(1.0, after=(slow,), engine="npu", cap=1.0))
        tasks.add(Task(4.0, engine="npu", cap=1.0))
        return run(tasks.graph()).makespan_s

    assert makespan_s(()) == pytest.approx(10.0) and makespan_s(("npu",)) == pytest.approx(6.0)
    with pytest.raises(InputError, match="gpu: is no engine"):
        Tasks({}, {"npu": 1}, ("gpu",))
