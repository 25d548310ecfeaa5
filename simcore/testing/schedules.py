"""Contract of a pipeline schedule: every pass once, nothing before what it needs, its closed form where it has one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

SHAPES = ((2, 1, 4), (4, 1, 8), (3, 1, 7), (2, 2, 4), (4, 2, 8), (4, 3, 16), (6, 2, 12), (4, 2, 24))
"""(ranks, chunks, microbatches); those that a schedule refuses are left out"""
SECONDS = ((1.0, 1.0, 1.0), (1.3, 1.1, 0.7), (0.8, 1.4, 0.6))
"""(forward, input gradient, weight gradient) of equal stages"""


def check_schedule(name: str) -> None:
    """Raise AssertionError with everything that a schedule, shipped or registered, gets wrong."""
    from simcore.engine.training.schedules import schedules

    module = schedules.implementation(name)
    shapes = [shape for shape in SHAPES if module.problem(*shape) is None]
    found = [] if shapes else ["refuses every shape"]
    for shape in shapes:
        found += _problems(name, module, shape)
    assert not found, f"schedule {name}: " + "; ".join(dict.fromkeys(found))


def _problems(name: str, module: Any, shape: tuple[int, int, int]) -> Iterator[str]:
    from simcore.engine.training import pipeline
    from simcore.engine.training.schedules._base import Times

    ranks, chunks, microbatches = shape
    program = pipeline.program(name, ranks, chunks, microbatches)
    yield from _passes(program, module.SPLITS, shape)
    for forward_s, input_s, weight_s in SECONDS:
        each = [np.full(program.stages, value) for value in (forward_s, input_s, weight_s)]
        found = pipeline.run(program, pipeline.StageTimes(each[0], each[1], each[2]))
        work = (forward_s + input_s + weight_s) * program.stages * program.microbatches / ranks
        if not np.allclose(found.busy_s, work):
            yield f"{shape}: a rank works {found.busy_s.min():g} s, not {work:g}"
        closed = module.closed_form_s(ranks, chunks, microbatches, Times(forward_s, input_s, weight_s))
        if closed is not None and not math.isclose(closed, found.time_s, rel_tol=1e-9):
            yield f"{shape}: the closed form says {closed:g} s, the schedule takes {found.time_s:g}"
        late = pipeline.run(program, pipeline.StageTimes(each[0], each[1], each[2], latency_s=0.25))
        if late.time_s < found.time_s - 1e-12:
            yield f"{shape}: latency makes it faster"


def _passes(program: Any, splits: bool, shape: tuple[int, int, int]) -> Iterator[str]:
    """Every cell goes forward once and back once, on its own rank."""
    from simcore.engine.training.schedules._base import BACKWARD, FORWARD, INPUT, PAIR, WEIGHT

    kinds, first, second = program.rows.T
    rank = np.repeat(np.arange(program.ranks), np.diff(program.starts))
    cells = np.arange(program.stages * program.microbatches)
    paired = kinds == PAIR
    counts = {
        "forward": np.concatenate([first[(kinds == FORWARD) | paired]]),
        "backward": np.concatenate([first[(kinds == BACKWARD) | (kinds == INPUT)], second[paired]]),
        "weight": np.concatenate([first[(kinds == BACKWARD) | (kinds == WEIGHT)], second[paired]]),
    }
    for word, found in counts.items():
        if not np.array_equal(np.sort(found), cells):
            yield f"{shape}: not every microbatch has one {word} pass of each stage"
    if not splits and np.any((kinds == INPUT) | (kinds == WEIGHT)):
        yield f"{shape}: splits a backward pass that it says it does not split"
    if not np.array_equal(program.rank_of[first // program.microbatches], rank):
        yield f"{shape}: a rank works on another's stage"
