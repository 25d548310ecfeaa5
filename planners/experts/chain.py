"""Exact and constructive chains over layers.

Given the sets of experts of each layer, renaming the chips of layer l + 1 relative to layer l does not change any other
pair, so L - 1 assignment problems place all sets optimally (for hops that all cost the same). Where a layer has few
distinct partitions, dynamic programming over them is exact for the whole objective.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from planners.experts.problem import ExpertProblem, Floats, Ints

MOST_PARTITIONS = 1_500


def align(pairs: Floats, chip: Ints, chips: int) -> Ints:
    """Rename the chips of each layer to co-locate with the layer before; [layers, slots] in and out."""
    from scipy.optimize import linear_sum_assignment

    chip = chip.copy()
    for layer in range(len(pairs)):
        before, after = one_hot(chip[layer], chips), one_hot(chip[layer + 1], chips)
        flow = before.T @ pairs[layer] @ after
        rows, columns = linear_sum_assignment(-flow)
        name = np.empty(chips, np.int64)
        name[columns] = rows
        chip[layer + 1] = name[chip[layer + 1]]
    return chip


def one_hot(chip: Ints, chips: int) -> Floats:
    """[slots, chips]."""
    return np.eye(chips)[chip]


def partitions(items: int, groups: int) -> Ints:
    """All ways to split `items` into equal unnamed groups, as the group of each item, [ways, items].

    >>> len(partitions(8, 4)), len(partitions(6, 2))
    (105, 10)
    """
    size = items // groups
    found: list[list[int]] = []

    def fill(assigned: list[int], group: int) -> None:
        free = [i for i, g in enumerate(assigned) if g < 0]
        if not free:
            found.append(list(assigned))
            return
        for others in combinations(free[1:], size - 1):
            for i in (free[0], *others):
                assigned[i] = group
            fill(assigned, group + 1)
            for i in (free[0], *others):
                assigned[i] = -1

    fill([-1] * items, 0)
    return np.array(found)


def count_partitions(items: int, groups: int) -> float:
    """items! / ((items/groups)!^groups groups!)."""
    from math import exp, lgamma

    size = items // groups
    return exp(min(700.0, lgamma(items + 1) - groups * lgamma(size + 1) - lgamma(groups + 1)))


def exact_chain(problem: ExpertProblem) -> tuple[Ints, float]:
    """(chip of each expert [layers, experts], objective), proven optimal, without copies or move costs.

    Dynamic programming over the partitions of each layer; the edge between two partitions is their best matching.
    """
    ways = partitions(problem.experts, problem.chips)
    shares = problem.shares()
    mean = problem.loads.sum(axis=1) / problem.chips
    named = np.stack([np.eye(problem.chips)[way] for way in ways])
    loads = np.einsum("le,weg->lwg", problem.loads, named).max(axis=2) / mean[:, None]
    cost = np.where(_allowed(problem, loads), problem.load_weight * loads / problem.layers, np.inf)
    best, back = cost[0], []
    for layer in range(problem.layers - 1):
        cut: Floats = np.zeros((len(ways), len(ways)))  # loads alone: layers do not depend on each other
        if shares is not None:
            cut = problem.cut_weight * (1.0 - matched(shares[layer], ways, problem.chips)) / len(shares)
        step = best[:, None] + cut
        back.append(np.argmin(step, axis=0))
        best = step[back[-1], np.arange(len(ways))] + cost[layer + 1]
    last = int(np.argmin(best))
    path = [last]
    for choice in reversed(back):
        path.append(int(choice[path[-1]]))
    chip = ways[np.array(path[::-1])]
    return (align(shares, chip, problem.chips) if shares is not None and len(shares) else chip), float(best[last])


def _allowed(problem: ExpertProblem, loads: Floats) -> NDArray[np.bool_]:
    """Partitions within the cap, [layers, ways]; where a layer has none, its most balanced ones."""
    cap = np.inf if problem.load_cap_ratio is None else problem.load_cap_ratio
    return np.asarray(loads <= np.maximum(cap, loads.min(axis=1, keepdims=True)) * (1 + 1e-12))


def matched(pair: Floats, ways: Ints, chips: int) -> Floats:
    """Largest co-located share of every pair of partitions, [ways, ways], over all namings of the groups."""
    from itertools import permutations

    hot = np.stack([np.eye(chips)[way] for way in ways])
    right = np.einsum("ij,wjh->wih", pair, hot)
    best = np.full((len(ways), len(ways)), -np.inf)
    for start in range(0, len(ways), 64):
        flow = np.einsum("vig,wih->vwgh", hot[start : start + 64], right)
        for names in permutations(range(chips)):
            total = flow[:, :, np.arange(chips), np.array(names)].sum(axis=2)
            best[start : start + 64] = np.maximum(best[start : start + 64], total)
    return best
