"""Equal rows among columns, whatever the numbers in them."""

from __future__ import annotations

import numpy as np
import pytest

from simcore.ops.op import repeats


@pytest.mark.parametrize("rows, values", [(1, 1), (50, 3), (5000, 40), (5000, 10_000), (70_000, 900)])
def test_rows_come_back_and_none_is_kept_twice(rows: int, values: int) -> None:
    random = np.random.default_rng(rows)
    columns = [random.integers(0, values, rows).astype(float), random.choice([0.25, 1 / 3, 1e-9, 7e12], rows)]
    first, back = repeats(columns)
    assert all((column[first][back] == column).all() for column in columns)
    distinct = np.unique(np.stack(columns), axis=1).shape[1]
    assert len(first) == distinct and (np.diff(first) > 0).all()


def test_rows_that_cannot_be_told_apart_by_sums_stay_themselves() -> None:
    column = np.array([1.0, np.nan, np.nan])
    first, back = repeats([column])
    assert first.tolist() == back.tolist() == [0, 1, 2]
