"""Weighted max-min fair rates by progressive filling, compiled.

All rates rise together, each task's as level x weight; a task stops at its cap or where one of its resources is full;
the others go on (Bertsekas and Gallager, Data Networks, 6.5.2). Levels are counted from zero for every resource, never
added up step by step, so tasks that share nothing with a change keep their rates to the last bit.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.jit import njit_with_memory as njit


@njit(cache=True)
def fill(active, count, capacity, cap, weight, use_start, use_of, use_ratio, level, taken, rate):  # type: ignore[no-untyped-def]
    """Write `rate[task]` of the first `count` tasks of `active`.

    `level` and `taken` [resources] are room to work in; `taken` ends as the load of every resource, in its units per
    second.
    """
    open_ones, lowest = count, 0.0
    for at in range(count):
        rate[active[at]] = -1.0
    taken[:] = 0.0
    while open_ones > 0:
        found = _levels(active, count, capacity, weight, use_start, use_of, use_ratio, level, taken, rate)
        lowest = max(found, lowest)  # levels rise; what is left of a full resource is rounding
        stopped = 0
        for at in range(count):
            task = active[at]
            if rate[task] < 0.0 and cap[task] <= lowest * weight[task]:
                rate[task] = cap[task]
                stopped += 1
        if stopped == 0:
            for at in range(count):
                task = active[at]
                if rate[task] >= 0.0:
                    continue
                for row in range(use_start[task], use_start[task + 1]):
                    if level[use_of[row]] <= lowest:
                        rate[task] = lowest * weight[task]
                        stopped += 1
                        break
        open_ones -= stopped
        taken[:] = 0.0
        for at in range(count):
            task = active[at]
            if rate[task] >= 0.0:
                for row in range(use_start[task], use_start[task + 1]):
                    taken[use_of[row]] += use_ratio[row] * rate[task]


@njit(cache=True)
def _levels(active, count, capacity, weight, use_start, use_of, use_ratio, level, taken, rate):  # type: ignore[no-untyped-def]
    """The lowest level at which a resource is full, of all that some task still fills; inf without one."""
    level[:] = 0.0
    for at in range(count):
        task = active[at]
        if rate[task] < 0.0:
            for row in range(use_start[task], use_start[task + 1]):
                level[use_of[row]] += use_ratio[row] * weight[task]
    lowest = np.inf
    for number in range(len(level)):
        if level[number] > 0.0:
            level[number] = max(capacity[number] - taken[number], 0.0) / level[number]
            lowest = min(lowest, level[number])
        else:
            level[number] = np.inf
    return lowest
