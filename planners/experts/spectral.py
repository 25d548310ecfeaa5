"""A start that sees traffic first: experts embedded by the leading singular vectors of the transitions beside them,
grouped into equal clusters, then balanced. Slower than the balanced start; see docs/planners.md for what it is worth.
"""

from __future__ import annotations

import numpy as np

from planners.experts import chain, packing
from planners.experts.problem import ExpertProblem, Floats, Ints

DIMENSIONS, ROUNDS = 8, 4


def spectral_start(problem: ExpertProblem, seed: int) -> tuple[Ints, Ints]:
    """(expert of each slot, chip of each slot), [layers, slots] each; copies are placed as in the balanced start."""
    shares = problem.shares()
    assert shares is not None
    random = np.random.default_rng(seed)
    experts = packing.replicate(problem.loads, problem.slot_count, problem.chips)
    weights = packing.slot_loads(problem.loads, experts)
    chip = np.empty_like(experts)
    for layer, points in enumerate(embeddings(shares, problem.chips)):
        chip[layer] = equal_clusters(points[experts[layer]], problem.chips, random)
        packing.swap_to_balance(weights[layer], experts[layer], chip[layer], problem.chips)
    pairs = np.stack([pair[np.ix_(experts[i], experts[i + 1])] for i, pair in enumerate(shares)])
    return experts, chain.align(pairs, chip, problem.chips)


def embeddings(shares: Floats, chips: int) -> list[Floats]:
    """Coordinates of each layer's experts, [layers][experts, dimensions]: left vectors of the pair after it, right ones
    of the pair before it, scaled by the root of the singular value; constant parts removed."""
    kept = min(DIMENSIONS, chips - 1)
    after, before = [], []
    for pair in shares:
        free = pair - pair.mean(axis=0) - pair.mean(axis=1)[:, None] + pair.mean()
        left, sizes, right = np.linalg.svd(free)
        scale = np.sqrt(sizes[:kept])
        after.append(left[:, :kept] * scale)
        before.append(right[:kept].T * scale)
    inner = [np.hstack([a, b]) for a, b in zip(after[1:], before[:-1], strict=True)]
    return [after[0], *inner, before[-1]]


def equal_clusters(points: Floats, chips: int, random: np.random.Generator) -> Ints:
    """Balanced k-means: centres and an exact assignment to equal slots in turn, [slots]."""
    from scipy.optimize import linear_sum_assignment

    slots = len(points)
    centres = points[random.choice(slots, chips, replace=False)]
    chip = np.arange(slots) % chips
    for _ in range(ROUNDS):
        distance = ((points[:, None] - centres[None]) ** 2).sum(axis=2)
        rows, columns = linear_sum_assignment(np.repeat(distance, slots // chips, axis=1))
        chip[rows] = columns // (slots // chips)
        centres = np.stack([points[chip == c].mean(axis=0) for c in range(chips)])
    return np.asarray(chip)
