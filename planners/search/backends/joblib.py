"""Processes of this machine, by joblib (loky). A worker that dies is replaced and its chunks are done again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from planners.search.backend import Backend
from simcore.errors import InputError

T = TypeVar("T")
R = TypeVar("R")
ATTEMPTS = 3


class Joblib:
    """One chunk per call and process; a chunk that kills its worker three times is given up with an error."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        from joblib import Parallel, delayed
        from joblib.externals.loky.process_executor import BrokenProcessPool

        left = dict(enumerate(items))
        for attempt in range(ATTEMPTS):
            parallel = Parallel(n_jobs=self.workers, batch_size=1, pre_dispatch="all", return_as="generator_unordered")
            try:
                for index, answer in parallel(delayed(_numbered)(function, i, item) for i, item in list(left.items())):
                    del left[index]
                    yield index, answer
                return
            except BrokenProcessPool:
                if attempt == ATTEMPTS - 1:
                    raise InputError(
                        f"workers died {ATTEMPTS} times on the same chunks", fix="look for lack of memory"
                    ) from None

    def close(self) -> None:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)


def _numbered(function: Callable[[T], R], index: int, item: T) -> tuple[int, R]:
    return index, function(item)


def connect(address: str | None = None, workers: int | None = None) -> Backend:
    """`workers` processes; all cores that this process may use unless told."""
    return Joblib(workers or len(os.sched_getaffinity(0)))
