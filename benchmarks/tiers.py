"""Placement of tensors in tiers: 20 random machines and models, against the best of all placements in steps of 10 %."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

MACHINES = 20
PARTS = 10
"""of a class, each in one tier"""


def figures() -> dict[str, float]:
    from planners.tiers.solve import solve

    solve(machine(0))
    worst, better, gaps, spent_s = -np.inf, 0, [], 0.0
    for seed in range(MACHINES):
        problem = machine(seed)
        before = time.process_time()
        found = solve(problem)
        spent_s += time.process_time() - before
        assert found is not None
        over = found.step_s / best_in_parts(problem) - 1.0
        worst, better = max(worst, over), better + (over < -1e-6)
        gaps.append(found.gap_ratio)
    return {
        "tiers_worst_over_parts_percent": 100.0 * worst,
        "tiers_better_than_parts": float(better),
        "tiers_mean_gap_percent": 100.0 * float(np.mean(gaps)),
        "tiers_cpu_s": spent_s / MACHINES,
    }


def machine(seed: int) -> Any:
    """A main tier too small for two classes, DRAM behind a link, a drive that may share it."""
    from planners.tiers.problem import Tensors, Tier, TierProblem

    draw = np.random.default_rng(seed).uniform
    held = [10 ** draw(9.5, 11.0) for _ in range(2)]
    read = [size * draw(0.2, 1.0) for size in held]
    written = [0.0, held[1] * 10 ** draw(-4.0, -2.0)]
    names = ("weights", "kv")
    classes = tuple(Tensors(*one) for one in zip(names, held, read, written, strict=True))
    total = sum(held)
    tiers = (
        Tier("main", total * draw(0.2, 0.8)),
        Tier("dram", total * draw(0.3, 1.0), draw(50e9, 400e9), draw(20e9, 200e9), 1e-6, "host"),
        Tier("nvme", 2 * total, draw(5e9, 60e9), draw(1e9, 20e9), 8e-5, "host" if draw() < 0.5 else None),
    )
    return TierProblem(int(draw(4, 17)), 10 ** draw(-4.0, -2.5), classes, tiers, (("host", draw(30e9, 120e9)),))


def best_in_parts(problem: Any, parts: int = PARTS) -> float:
    """Seconds of the best of all placements in equal parts, by the task engine; those that a bound rules out are not
    run."""
    from planners.tiers.step import Steps

    steps, best_s = Steps(problem), np.inf
    resources = [seconds for _, _, seconds in problem.resources()]
    for shares in placements(problem.shape, parts):
        least_s = problem.layer_s + max(float((seconds * shares).sum()) for seconds in resources)
        if least_s < best_s and problem.fits(shares):
            best_s = min(best_s, steps.time_s(shares))
    return best_s


def placements(shape: tuple[int, int], parts: int) -> Iterator[Any]:
    """All shares [classes, tiers] in multiples of 1 / parts."""
    rows = [row for row in itertools.product(range(parts + 1), repeat=shape[1]) if sum(row) == parts]
    for chosen in itertools.product(rows, repeat=shape[0]):
        yield np.array(chosen) / parts
