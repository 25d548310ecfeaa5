"""Where routed tokens land: the heaviest rank's share of the pairs, and how many of its experts see a token.

Balanced routing deals the pairs (token, expert) in turn: every rank gets its share and `min(pairs, experts)` experts
are reached. Under a power law the popularity x of an expert has density x^-a on [1, tokens], because no expert gets
more than all tokens; the step ends with the most loaded rank, whose share follows from the most popular expert (few
experts a rank) or from the scatter of sums (many); pairs arrive at random, so an expert of popularity x stays idle
with probability exp(-rate x). Sources: order statistics and Poisson sampling; the exponents are the benchmark's. Wrong
for routers with strong affinities between tokens.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array

EXPONENTS = np.array([np.nan, 1.01, 1.2])
"""by index of DISTRIBUTIONS; the balanced one has none"""
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(6)
NORMAL_MAXIMUM = 0.57
"""the expected maximum of r normal numbers is about sqrt(2 ln r) - 0.57 for 2 to 256"""


def landed(tokens: Array, topk: Array, experts: Array, ranks: Array, skew: Array) -> tuple[Array, Array]:
    """(pairs on the heaviest rank, its experts reached) `[rows]`, both at least 1; `skew` indexes DISTRIBUTIONS."""
    here = np.maximum(experts / ranks, 1.0)
    pairs = np.maximum(tokens * topk / ranks, 1.0)
    reached = np.minimum(pairs, here)
    if not (skew > 0).any():
        return pairs, reached
    s = np.flatnonzero(skew > 0)
    pairs[s], reached[s] = _skewed(tokens[s], topk[s], experts[s], ranks[s], EXPONENTS[skew[s].astype(int)])
    return pairs, reached


def _skewed(tokens: Array, topk: Array, experts: Array, ranks: Array, exponent: Array) -> tuple[Array, Array]:
    """The same under a power law."""
    here = np.maximum(experts / ranks, 1.0)
    power, top = 1.0 - exponent, np.maximum(tokens, 1.5)
    tail = top**power
    norm = (tail - 1.0) / power
    mean = (top * tail - 1.0) / (1.0 + power) / norm
    square = (top * top * tail - 1.0) / (2.0 + power) / norm
    scatter = np.sqrt(np.maximum(square - mean * mean, 0.0) / here) / mean
    first = (1.0 - (1.0 - 0.5 / experts) * (1.0 - tail)) ** (1.0 / power)
    extreme = np.maximum(np.sqrt(2.0 * np.log(ranks)) - NORMAL_MAXIMUM, 0.0)
    excess = np.maximum((first - mean) / (here * mean), extreme * scatter)
    share = np.where(ranks > 1.0, np.clip(1.0 + excess, 1.0, ranks), 1.0)
    even = np.maximum(tokens * topk / ranks, 1.0)
    pairs = np.maximum(np.minimum(even * share, tokens * np.minimum(here, topk)), 1.0)
    rate, log_top, idle = even * share / (here * mean), np.log(top), np.zeros_like(top)
    for point, weight in zip(0.5 * (POINTS + 1.0), 0.5 * WEIGHTS, strict=True):
        popularity = np.exp(log_top * point)
        idle += weight * popularity**power * np.exp(-rate * popularity)
    reached = here * (1.0 - idle * log_top / norm)
    return pairs, np.clip(reached, 1.0, np.minimum(pairs, here))
