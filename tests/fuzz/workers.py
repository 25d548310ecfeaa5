"""Workers of Dask and Ray killed at random moments of a search: the same frontier as without, nothing lost."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

BUDGET = 160
PAUSE_S = 0.02


def slow(x: int, y: int) -> dict[str, float]:
    """Two aims that pull apart, after a pause in which a kill may come."""
    time.sleep(PAUSE_S)
    return {"first": float(x * x + y), "second": float((x - 40) ** 2 + 3 * y)}


def problem() -> Any:
    from planners.search.function import FunctionEvaluator
    from planners.search.problem import Objective, Problem
    from planners.search.space import Parameter, Space

    space = Space((Parameter.integer("x", 0, 40), Parameter.integer("y", 0, 40)))
    return Problem(space, (Objective("first"), Objective("second")), FunctionEvaluator(slow, ("first", "second")))


def searched(where: Any) -> tuple[Any, int]:
    """(frontier, evaluations) of the same search on any backend."""
    from planners.search.method import method
    from planners.search.run import Setting, search

    found = search(problem(), method("random"), Setting(budget=BUDGET, seed=3, batch=40), backend=where)
    return found.frontier, len(found.units)


def children(parent: int) -> list[int]:
    """Processes of ours that run tasks: Dask's workers below their nannies, Ray's workers below their raylet."""
    found, all_of = [], {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                    all_of[int(name)] = int(stat.read().rpartition(")")[2].split()[1])
                with open(f"/proc/{name}/cmdline", "rb") as line:
                    words = line.read()
            except (OSError, ValueError, IndexError):
                continue
            if (words.startswith(b"ray::") and b"Agent" not in words) or b"spawn_main" in words:
                found.append(int(name))
    return [process for process in found if descends(process, parent, all_of)]


def descends(process: int, parent: int, all_of: dict[int, int]) -> bool:
    while process in all_of and process != parent:
        process = all_of[process]
    return process == parent


def kills(name: str, times: int, draw: random.Random) -> tuple[int, list[str]]:
    """(workers killed, what went wrong) of `times` searches, each with a worker killed on its way."""
    from planners.search.backend import backend

    frontier, count = searched(backend("serial"))
    wrong: list[str] = []
    done = 0
    where = backend(name, workers=2)
    try:
        searched(where)
        for number in range(times):
            killed: list[int] = []
            moment = draw.uniform(0.1, 0.9) * BUDGET * PAUSE_S / 2
            timer = threading.Timer(moment, lambda dead=killed: dead.extend(kill_one(draw)))
            timer.start()
            try:
                found, evaluations = searched(where)
                if evaluations != count or not all(map(np.array_equal, found, frontier)):
                    wrong.append(f"search {number}: another frontier, {evaluations} evaluations")
            except Exception as error:
                wrong.append(f"search {number}: {type(error).__name__}: {str(error)[:200]}")
            timer.join()
            done += len(killed)
    finally:
        where.close()
    return done, wrong


def kill_one(draw: random.Random) -> list[int]:
    """Kill -9 one worker; its process."""
    workers = children(os.getpid())
    if not workers:
        return []
    victim = draw.choice(workers)
    os.kill(victim, signal.SIGKILL)
    return [victim]


def campaign(times: int, seed: int, say: Callable[[str], None] = print) -> int:
    """Searches on Dask and Ray with kills; how many went wrong."""
    total = 0
    for name in ("dask", "ray"):
        done, wrong = kills(name, times, random.Random(f"{seed}/{name}"))
        say(f"{name}: {times} searches, {done} workers killed, {len(wrong)} failures")
        for line in wrong[:5]:
            say(f"    {line}")
        total += len(wrong) + (done < times // 2)
    return total
