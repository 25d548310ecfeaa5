"""Where chunks are evaluated: one protocol, one file per engine in `backends/`. Answers do not depend on the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from simcore.registry import PluginRegistry

T = TypeVar("T")
R = TypeVar("R")


class Backend(Protocol):
    """Runs a function over items in any order, surviving the loss of workers."""

    @property
    def workers(self) -> int: ...
    def run(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        """(index of the item, answer) as they finish; an exception of the function is raised here."""
        ...

    def close(self) -> None: ...


class Serial:
    """In this process, one after the other."""

    workers = 1

    def run(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        for index, item in enumerate(items):
            yield index, function(item)

    def close(self) -> None:
        pass


BACKENDS: PluginRegistry = PluginRegistry("backend", "planners.search.backends", "connect")


def backend(name: str, address: str | None = None, workers: int | None = None) -> Backend:
    """An engine by name (serial, joblib, dask, ray). Raises UnknownName, and InputError where it is not installed."""
    made: Any = BACKENDS(name)(address=address, workers=workers)
    found: Backend = made
    return found
