"""What no order of the tasks can beat; all three fall, or stay, when a capacity rises."""

from __future__ import annotations

import numpy as np

from simcore.engine.tasks.graph import Graph
from simcore.errors import InputError


def lower_bounds_s(graph: Graph) -> dict[str, float]:
    """Seconds of the longest chain of predecessors with everything to itself, of the resource with the most work over
    its capacity, of the engine with the most seconds over its slots.

    Raises InputError for tasks that wait for each other.
    """
    work = graph.work / graph.capacity_per_s
    queued = np.flatnonzero(graph.engine >= 0)
    busy = np.bincount(graph.engine[queued], graph.alone_s[queued], len(graph.engines)) / np.maximum(graph.slots, 1)
    return {
        "critical_path_s": critical_path_s(graph),
        "resource_s": float(work.max(initial=0.0)),
        "engine_s": float(busy.max(initial=0.0)),
    }


def critical_path_s(graph: Graph) -> float:
    """The longest chain; in the order of dependence, so that numbers need not ascend."""
    starts, followers = graph.next_of
    waits = np.diff(graph.after_start)
    ready = np.zeros(graph.size)
    todo = np.flatnonzero(waits == 0).tolist()
    done = 0
    while todo:
        task = todo.pop()
        done += 1
        end_s = ready[task] + graph.alone_s[task]
        ready[task] = end_s
        for other in followers[starts[task] : starts[task + 1]].tolist():
            ready[other] = max(ready[other], end_s)
            waits[other] -= 1
            if waits[other] == 0:
                todo.append(other)
    if done < graph.size:
        raise InputError(f"{graph.size - done} tasks wait for each other")
    return float(ready.max(initial=0.0))
