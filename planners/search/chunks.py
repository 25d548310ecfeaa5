"""Points cut into chunks of 0.2 to 1 s of work, so that neither engine nor disk is asked too often."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planners.search.backend import Backend
from planners.search.problem import Outputs, PointEvaluator
from planners.search.space import Point

TARGET_S = 0.5
MOST_POINTS = 16_384
"""per chunk, which bounds memory"""
MOST_TASKS = 64
"""per worker between two looks at how long chunks take; one at first, two while they are far from TARGET_S"""


@dataclass(frozen=True)
class Work:
    """Points to evaluate at one level of fidelity."""

    points: Sequence[Point]
    seeds: Sequence[int]
    level: int

    def take(self, rows: NDArray[np.int64]) -> Work:
        return Work([self.points[i] for i in rows], [self.seeds[i] for i in rows], self.level)


@dataclass(frozen=True)
class Task:
    """What a worker is sent."""

    evaluator: PointEvaluator
    work: Work


def evaluate(task: Task) -> tuple[Outputs, float, float]:
    """(outputs, seconds, CPU seconds) of one chunk; runs in a worker."""
    began, cpu = time.perf_counter(), time.process_time()
    answer = task.evaluator(task.work.points, task.work.seeds, task.work.level)
    return answer, time.perf_counter() - began, time.process_time() - cpu


class Chunks:
    """Sizes chunks from the rate seen so far, per level of fidelity."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.point_s: dict[int, float] = {}
        self.settled: set[int] = set()

    def run(
        self, evaluator: PointEvaluator, work: Work, rows: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], Outputs, float]]:
        """(rows, outputs, CPU seconds) of each chunk as it finishes; the first rows size the rest."""
        start = 0
        while start < len(rows):
            size = self._size(work.level, len(rows) - start)
            each = MOST_TASKS if work.level in self.settled else 2 if work.level in self.point_s else 1
            stop = min(len(rows), start + each * size * self.backend.workers)
            parts = [rows[i : min(i + size, stop)] for i in range(start, stop, size)]
            tasks = [Task(evaluator, work.take(part)) for part in parts]
            spent_s = 0.0
            for index, (answer, wall_s, cpu_s) in self.backend.run(evaluate, tasks):
                spent_s += wall_s
                yield parts[index], answer, cpu_s
            self._learn(work.level, spent_s / (stop - start), spent_s / len(parts))
            start = stop

    def _size(self, level: int, left: int) -> int:
        """Points of the next chunks; no more than shares the rest evenly between the workers."""
        point_s = self.point_s.get(level)
        fair = -(-left // self.backend.workers)
        if point_s is None:
            return min(fair, 16)
        return int(np.clip(TARGET_S / max(point_s, 1e-9), 1, min(fair, MOST_POINTS)))

    def _learn(self, level: int, point_s: float, chunk_s: float) -> None:
        """What a round of chunks took. Much of a chunk is the same however many points it has, so that a point of a
        small chunk seems dear: rounds are short until chunks last about as long as they should."""
        self.point_s[level] = point_s
        if chunk_s > TARGET_S / 2:
            self.settled.add(level)
        else:
            self.settled.discard(level)
