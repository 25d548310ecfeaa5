"""Where routed tokens land, against drawing them."""

from __future__ import annotations

import numpy as np
import pytest

from simcore.cost.laws._routing import EXPONENTS, landed


def land(tokens: float, topk: float, experts: float, ranks: float, skew: float) -> tuple[float, float]:
    pairs, reached = landed(*(np.array([value]) for value in (tokens, topk, experts, ranks, skew)))
    return float(pairs[0]), float(reached[0])


def drawn(tokens: int, topk: int, experts: int, ranks: int, exponent: float) -> tuple[float, float]:
    """Mean over draws of popularities: pairs on the heaviest rank, and experts that see a token there."""
    rng, power = np.random.default_rng(0), 1.0 - exponent
    popularity = (1.0 - rng.random((300, experts)) * (1.0 - tokens**power)) ** (1.0 / power)
    share = (popularity / popularity.sum(axis=1, keepdims=True)).reshape(300, ranks, -1)
    heavy = share.sum(axis=2).argmax(axis=1)
    rates = tokens * topk * share[np.arange(300), heavy]
    return float(rates.sum(axis=1).mean()), float((-np.expm1(-rates)).sum(axis=1).mean())


def test_balanced_routing_is_exact() -> None:
    assert land(4, 8, 128, 1, 0) == (32, 32)
    assert land(400, 8, 128, 4, 0) == (800, 32)
    assert land(1, 1, 16, 16, 0) == (1, 1)


@pytest.mark.parametrize("skew", [1, 2])
@pytest.mark.parametrize(("tokens", "experts", "ranks"), [(64, 128, 1), (64, 128, 8), (1024, 256, 32), (4096, 128, 64)])
def test_a_power_law_loads_the_heaviest_rank_as_drawn(tokens: int, experts: int, ranks: int, skew: int) -> None:
    pairs, reached = land(tokens, 8, experts, ranks, skew)
    truth = drawn(tokens, 8, experts, ranks, float(EXPONENTS[skew]))
    assert pairs == pytest.approx(truth[0], rel=0.2)
    assert reached == pytest.approx(truth[1], rel=0.25)


@pytest.mark.parametrize("skew", [0, 1, 2])
@pytest.mark.parametrize("ranks", [1, 8, 128])
def test_more_tokens_land_more_and_reach_more(ranks: int, skew: int) -> None:
    tokens = np.unique(np.round(np.geomspace(1, 40000, 300)))
    pairs, reached = landed(tokens, *(np.full_like(tokens, value) for value in (8, 128, ranks, skew)))
    assert (np.diff(pairs) >= -1e-9 * pairs[1:]).all() and (np.diff(reached) >= -1e-9 * reached[1:]).all()
    assert (reached <= np.minimum(pairs, 128 / ranks) + 1e-9).all() and (reached >= 1).all()
