"""Chunks find the size that lasts about TARGET_S, also where most of a chunk's time is the same for any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from planners.search.chunks import MOST_POINTS, TARGET_S, Chunks, Task, Work


class Clock:
    """A backend in which a chunk of n points takes `fixed_s + n * point_s` by its own account."""

    def __init__(self, fixed_s: float, point_s: float, workers: int = 1) -> None:
        self.fixed_s, self.point_s, self.workers = fixed_s, point_s, workers
        self.sizes: list[int] = []

    def run(self, function: Callable[[Any], Any], items: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        for index, task in reversed(list(enumerate(items))):
            count = len(task.work.points)
            self.sizes.append(count)
            yield index, ({}, self.fixed_s + count * self.point_s, 0.0)

    def close(self) -> None:
        pass


def asked(clock: Clock, count: int) -> list[int]:
    """Sizes of the chunks; every row is answered once."""
    work = Work([{"a": row} for row in range(count)], [0] * count, 0)
    rows = [row for part, _, _ in Chunks(clock).run(None, work, np.arange(count)) for row in part]  # type: ignore[arg-type]
    assert sorted(rows) == list(range(count))
    return clock.sizes


@pytest.mark.parametrize("workers", [1, 4])
def test_a_dear_start_is_shared_by_many_points(workers: int) -> None:
    sizes = asked(Clock(0.05, 1e-6, workers), 100_000)
    assert sizes[0] == 16 and max(sizes) > 5_000 and len(sizes) <= 40 * workers
    assert 0.05 * len(sizes) <= 2.0 * workers  # with chunks of 160 points it would be 31 s


def test_dear_points_come_in_chunks_of_half_a_second() -> None:
    sizes = asked(Clock(0.0, 0.01), 3_000)
    assert sizes.count(round(TARGET_S / 0.01)) >= len(sizes) - 2  # the first, and what is left of a round
    assert asked(Clock(0.0, 10.0), 20)[1:] == [1] * 4


def test_no_chunk_is_larger_than_memory_allows() -> None:
    assert max(asked(Clock(0.0, 1e-9), 200_000)) == MOST_POINTS
