"""The normal distribution function is scipy's."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr as expected

from workloads.normal import ndtr


def test_equal_to_scipy() -> None:
    x = np.concatenate([np.linspace(-12, 12, 20_001), np.random.default_rng(0).standard_normal(100_000)])
    np.testing.assert_allclose(ndtr(x), expected(x), rtol=2e-14, atol=0)
    near = x > -5  # what is drawn
    assert np.max(np.abs(ndtr(x[near]) - expected(x[near]))) < 3e-16


def test_limits() -> None:
    assert ndtr(np.array([-40.0, 0.0, 40.0])).tolist() == [0.0, 0.5, 1.0]
    assert np.all(np.diff(ndtr(np.linspace(-9, 9, 5001))) >= 0)
