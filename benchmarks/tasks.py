"""Tasks over shared memories and links: 34,000 of an 80-layer model on four tiers, 100 steps; medians of five."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

STEPS, LAYERS, EXPERT_EVERY = 100, 80, 4
RESOURCES = {"hbm": 3.35e12, "dram": 250e9, "cxl": 50e9, "nvme": 12e9, "h2d": 55e9, "d2h": 55e9}
ENGINES = {"gpu": 1, "copy_in": 1, "copy_out": 1, "nvme_queue": 2}


def figures() -> dict[str, float]:
    from simcore.engine.tasks.run import run
    from simcore.engine.tasks.under_simpy import run_under_simpy

    graph = offloaded().graph()
    assert graph.size == 34_000
    fast, slow = run(graph), run_under_simpy(graph)
    assert abs(fast.makespan_s / slow.makespan_s - 1.0) < 1e-12
    return {
        "task_loop_cpu_s": _cpu_s(lambda: run(graph)),
        "task_build_and_loop_cpu_s": _cpu_s(lambda: run(offloaded().graph())),
        "task_simpy_cpu_s": _cpu_s(lambda: run_under_simpy(graph)),
    }


def _cpu_s(work: Callable[[], Any]) -> float:
    def once() -> float:
        before = time.process_time()
        work()
        return time.process_time() - before

    return median(once() for _ in range(5))


def offloaded() -> Any:
    """A GPU that computes from HBM; two layers ahead of it, weights come from DRAM, of every fourth layer experts from
    CXL, and part of the weights from NVMe through DRAM; each layer's KV is written back."""
    from simcore.engine.tasks.graph import Task, Tasks

    tasks = Tasks(RESOURCES, ENGINES)
    add = tasks.add
    before: tuple[int, ...] = ()
    last: tuple[int, ...] = ()
    compute, copy_in, copy_out = (("hbm", 3e12),), (("dram", 1.0), ("h2d", 1.0)), (("dram", 1.0), ("d2h", 1.0))
    staged, expert = (("nvme", 1.0), ("dram", 1.0)), (("cxl", 1.0), ("h2d", 1.0))
    for _ in range(STEPS):
        for layer in range(LAYERS):
            read = add(Task(2e6, staged, before, "nvme_queue", latency_s=80e-6))
            needs = (add(Task(20e6, copy_in, (read, *before), "copy_in", latency_s=5e-6)),)
            if layer % EXPERT_EVERY == 0:
                needs += (add(Task(5e6, expert, before, "copy_in")),)
            before, last = last, (add(Task(4e-4 + 1e-6 * layer, compute, (*needs, *last), "gpu", 1.0)),)
            add(Task(1e6, copy_out, last, "copy_out"))
    return tasks
