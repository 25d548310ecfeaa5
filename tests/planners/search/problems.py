"""Small problems for the tests of searching; functions live here so that worker processes can import them."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from planners.search.function import FunctionEvaluator
from planners.search.problem import Objective, Problem
from planners.search.space import Parameter, Space

SPACE = Space(
    (
        Parameter.categorical("kind", "a", "b", "c"),
        Parameter.integer("count", 1, 10),
        Parameter.float("share", 0.0, 1.0, steps=11),
        Parameter.ordinal("add_on", 1, 2, 4, when={"kind": ("b",)}),
    )
)


def work(kind: str, count: int, share: float, add_on: int = 0) -> dict[str, float]:
    """A trade-off between time and cost; many counts of kind a do not fit."""
    if kind == "a" and count > 7:
        return {"violation": count / 7 - 1}
    speed = {"a": 1.0, "b": 1.5, "c": 2.5}[kind] * (1 + 0.3 * add_on)
    time_s = 10 / (speed * count**0.8) + (share - 0.4) ** 2
    return {"time_s": time_s, "cost": count * {"a": 1.0, "b": 1.8, "c": 3.5}[kind] + add_on + 0.5 * share}


def slow_work(**point: Any) -> dict[str, float]:
    """As `work`, and it notes every call and takes a while."""
    time.sleep(0.004)
    with open(os.environ["SEARCH_TEST_LOG"], "a") as log:
        log.write(".\n")
    return work(**point)


def deadly_work(**point: Any) -> dict[str, float]:
    """As `work`, and it kills its process the first time it is called."""
    flag = Path(os.environ["SEARCH_TEST_FLAG"])
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return work(**point)


def noisy_work(seed: int, **point: Any) -> dict[str, float]:
    found = dict(work(**point))
    if "time_s" in found:
        found["time_s"] *= 1 + 0.05 * math.sin(seed)
    return found


def problem(function: Any = work, noisy: bool = False) -> Problem:
    evaluator = FunctionEvaluator(function, ("time_s", "cost"), noisy)
    return Problem(SPACE, (Objective("time_s"), Objective("cost")), evaluator, reference=(12.0, 40.0), name="work")


def main(folder: str, method: str, budget: str) -> None:
    """A search in a process of its own, to be killed."""
    from planners.search.method import method as named
    from planners.search.run import Setting, open_store, search

    asked = problem(slow_work)
    with open_store(folder, asked) as store:
        search(asked, named(method), Setting(budget=float(budget), seed=3, batch=40), store)


if __name__ == "__main__":
    from tests.planners.search import problems  # under its own name, so that keys are the same as in the tests

    problems.main(*sys.argv[1:])
