"""Searching: quality at 200 evaluations over ten seeds, overhead, the store, scaling over two processes.

Quality is told conservatively over the reference spaces: the best method and the learning agent by their worst space,
random search by its best. The space of serving plans takes part where SIMCORE_SHARED (or ../shared) holds it.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("SIMCORE_SHARED", HERE.parent.parent / "shared"))
BEST = {"serving plans": "mutation", "tiered": "surrogate", "queue": "multi-fidelity"}
"""of the shipped methods, by docs/search.md"""
SEEDS = tuple(range(10))


def figures() -> dict[str, float]:
    best, agent, random = quality()
    return {
        "search_best_hypervolume_ratio": best,
        "search_rl_hypervolume_ratio": agent,
        "search_random_hypervolume_ratio": random,
        "search_overhead_ms": overhead_ms(),
        "search_store_100k_cpu_s": store_cpu_s(100_000),
        "search_scaling_2_ratio": scaling(),
    }


def problems() -> list[Any]:
    from commands.search_reference import plan_problem
    from planners.search.synthetic import queue_problem, tiered_problem

    file = SHARED / "generators" / "plan_space.py"
    return [*([plan_problem(file)] if file.exists() else []), tiered_problem(), queue_problem()]


def quality() -> tuple[float, float, float]:
    """(worst space of the best method, worst space of the learning agent, best space of random search)."""
    from planners.search.compare import Contest, compare
    from planners.search.truth import truth

    best, agent, random = [], [], []
    for problem in problems():
        found = compare(problem, Contest((BEST[problem.name], "reinforce"), 200, SEEDS), truth(problem))
        rows = {row.method: row.mean_ratio for row in found.rows}
        best.append(rows[BEST[problem.name]])
        agent.append(rows["reinforce"])
        random.append(rows["random"])
    return min(best), min(agent), max(random)


def overhead_ms() -> float:
    """CPU per evaluation beyond method and evaluator, one candidate at a time, with a store; median of five."""
    from planners.search.method import method
    from planners.search.run import Setting, open_store, search
    from planners.search.synthetic import tiered_problem

    seen = []
    for seed in range(5):
        with tempfile.TemporaryDirectory() as folder:
            problem = tiered_problem()
            found = search(problem, method("mutation"), Setting(budget=500, seed=seed), open_store(folder, problem))
            seen.append(1e3 * found.overhead_cpu_s / len(found.units))
    return median(seen)


def store_cpu_s(points: int) -> float:
    """CPU seconds of that many analytic evaluations written to a store, and found there again by a second search."""
    from planners.search.method import method
    from planners.search.run import Setting, open_store, search
    from planners.search.study import problem_of, read_search

    problem = problem_of(read_search(HERE / "search.toml"))
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        for expected in (points, 0):
            with open_store(folder, problem) as store:
                found = search(problem, method("exhaustive"), Setting(budget=points), store)
            assert found.evaluated == expected and len(found.units) == points
        return time.process_time() - began


def scaling() -> float:
    """Wall time of four chunks of one second on one process over that on two; median of five."""
    from planners.search.backend import backend
    from planners.search.function import FunctionEvaluator
    from planners.search.method import method
    from planners.search.problem import Objective, Problem
    from planners.search.run import Setting, search
    from planners.search.space import Parameter, Space

    space = Space((Parameter.integer("number", 0, 3),))
    problem = Problem(space, (Objective("spent_s"),), FunctionEvaluator(busy, ("spent_s",)))
    engines = [backend("serial"), backend("joblib", workers=2)]
    walls: list[list[float]] = [[], []]
    for repeat in range(6):
        for engine, wall_s in zip(engines, walls, strict=True):
            began = time.perf_counter()
            search(problem, method("exhaustive"), Setting(budget=4), backend=engine)
            if repeat:  # the first one starts the processes
                wall_s.append(time.perf_counter() - began)
    engines[1].close()
    return median(a / b for a, b in zip(*walls, strict=True))


def busy(number: int) -> dict[str, float]:
    """One second of work."""
    began = time.process_time()
    while time.process_time() - began < 1.0:
        sum(i * i for i in range(1000))
    return {"spent_s": time.process_time() - began}
