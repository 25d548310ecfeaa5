"""Non-dominated rows against brute force."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from planners.pareto import non_dominated

values = arrays(float, st.tuples(st.integers(0, 25), st.integers(2, 4)), elements=st.integers(0, 6).map(float))


@given(values)
def test_equals_brute_force(points: np.ndarray) -> None:
    kept = non_dominated(points)
    for i, point in enumerate(points):
        dominated = any(np.all(other <= point) and np.any(other < point) for other in points)
        assert not (kept[i] and dominated)
        if not dominated:
            assert any(kept[j] and np.array_equal(points[j], point) for j in range(len(points)))
    assert len(np.unique(points[kept], axis=0)) == kept.sum()


def test_nan_and_infinite_rows_are_never_kept() -> None:
    assert non_dominated(np.array([[np.nan, 0.0], [1.0, 1.0], [0.0, np.inf]])).tolist() == [False, True, False]
