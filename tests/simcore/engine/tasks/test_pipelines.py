"""Pipeline schedules as tasks: the training engine's own loop and the task engine say the same."""

from __future__ import annotations

import numpy as np
import pytest

from simcore.engine.tasks.graph import Graph, Task, Tasks
from simcore.engine.tasks.run import run
from simcore.engine.training.pipeline import Program, StageTimes, program
from simcore.engine.training.pipeline import run as run_pipeline

SHAPES = (("1f1b", 4, 1, 8), ("gpipe", 4, 1, 6), ("interleaved", 4, 2, 8), ("zb-h1", 4, 1, 8), ("dualpipe", 4, 2, 16))


def as_tasks(found: Program, times: StageTimes) -> Graph:
    """An engine per rank; an operation waits for those that give what it needs."""
    giver = {event: row for row, events in enumerate(found.gives.tolist()) for event in events}
    tasks = Tasks({}, {f"rank {rank}": 1 for rank in range(found.ranks)})
    lengths_s = times.lengths_s(found)
    for rank in range(found.ranks):
        for row in range(int(found.starts[rank]), int(found.starts[rank + 1])):
            needs = {giver[event] for event in found.needs[row].tolist() if event >= 0}
            tasks.add(Task(float(lengths_s[row]), (), tuple(sorted(needs)), f"rank {rank}", 1.0))
    return tasks.graph()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape[0])
def test_schedules_take_as_long_as_tasks(shape: tuple[str, int, int, int]) -> None:
    found = program(*shape)
    forward, backward, weight = np.random.default_rng(3).uniform(0.5, 2.0, (3, found.stages))
    times = StageTimes(forward, backward, weight)
    theirs, ours = run_pipeline(found, times), run(as_tasks(found, times))
    np.testing.assert_allclose(ours.end_s, theirs.ends_s, rtol=1e-12)
    assert ours.makespan_s == pytest.approx(theirs.time_s, rel=1e-12)
