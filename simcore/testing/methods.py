"""Contract of a search method: it asks for valid points of the space, and repeats itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

ASKED = 4
"""candidates per round"""
ROUNDS = 8


def check_method(method: Any, seed: int = 3) -> None:
    """Raise AssertionError with everything that a search method (`planners.search.method.Method`) gets wrong.

    A method that says it does not suit a small mixed space of two objectives is asked about one without choices.
    """
    found = list(_problems(method, seed))
    assert not found, f"method {method.name}: " + "; ".join(found)


def _problems(method: Any, seed: int) -> Iterator[str]:
    task = next((t for t in _tasks(seed) if method.suits(t) is None), None)
    if task is None:
        yield "suits no task"
        return
    first, second = (_run(method, task) for _ in range(2))
    if len(first) != len(second) or not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True)):
        yield "two runs with one seed ask for different points"
    if not first:
        yield "asks for nothing"
        return
    units = np.concatenate(first)
    if not (np.all(np.isfinite(units)) and units.min() >= 0.0 and units.max() <= 1.0):
        yield "asks for points outside of the space"
        return
    if not np.array_equal(task.space.canonical(units), units):
        yield "asks for points that are not canonical"
    if not task.space.allowed(task.space.points(units)).all():
        yield "asks for points that break the space's constraints"
    if max(len(rows) for rows in first) > ASKED:
        yield f"gives more than the {ASKED} points asked for"


def _tasks(seed: int) -> Iterator[Any]:
    """A mixed space with a constraint, the same with levels of fidelity, and a bowl."""
    from planners.search.method import Task
    from planners.search.space import Parameter, Space
    from simcore.spec.expression import Expression

    mixed = Space(
        (
            Parameter.categorical("kind", "a", "b", "c"),
            Parameter.ordinal("count", 1, 2, 4, 8),
            Parameter.float("ratio", 0.5, 2.0, steps=7),
        ),
        (Expression("count * ratio <= 12"),),
    )
    bowl = Space((Parameter.float("x", 0.0, 1.0), Parameter.float("y", 0.0, 1.0)))
    yield Task(mixed, 2, 40.0, seed)
    yield Task(mixed, 2, 40.0, seed, costs=(0.25, 1.0))
    yield Task(bowl, 1, 40.0, seed, noisy=True)


def _run(method: Any, task: Any) -> list[Any]:
    """What is asked for in some rounds, each answered."""
    from planners.search.method import Told

    searcher, asked = method.start(task), []
    for _ in range(ROUNDS):
        ask = searcher.ask(ASKED)
        if not len(ask.units):
            break
        asked.append(np.array(ask.units))
        columns = np.nan_to_num(asked[-1], nan=0.5)
        values = np.stack([((columns - target) ** 2).sum(axis=1) for target in (0.2, 0.8)[: task.objectives]], axis=1)
        searcher.tell(Told(ask.units, values, np.zeros(len(values)), ask.level))
    return asked
