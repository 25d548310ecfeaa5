"""Spaces: points, units, conditions, constraints, grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planners.search.space import Parameter, Space
from planners.search.synthetic import TIERED_SPACE
from simcore.errors import InputError
from simcore.spec.expression import Expression
from tests.planners.search.problems import SPACE


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_points_and_units_are_inverse(seed: int) -> None:
    units = TIERED_SPACE.sample(np.random.default_rng(seed), 20)
    points = TIERED_SPACE.points(units)
    assert np.array_equal(TIERED_SPACE.units(points), units)
    assert TIERED_SPACE.allowed(points).all()


def test_inactive_parameters_are_absent_and_do_not_distinguish() -> None:
    units = np.array([[0.1, 0.5, 0.5, 0.1], [0.1, 0.5, 0.5, 0.9]])
    assert "add_on" not in SPACE.points(units)[0]
    first, second = SPACE.canonical(units)
    assert np.array_equal(first, second)


def test_the_grid_holds_every_point_once() -> None:
    units = np.concatenate(list(SPACE.grid(rows=50)))
    keys = {row.tobytes() for row in units}
    assert len(units) == len(keys) == 2 * 10 * 11 + 10 * 11 * 3


def test_constraints_cut_the_grid_and_the_samples() -> None:
    space = Space(SPACE.parameters, (Expression("count * share <= 2"),))
    everything = [p for block in SPACE.grid() for p in SPACE.points(block)]
    wanted = [p for p in everything if p["count"] * p["share"] <= 2]
    assert [p for block in space.grid() for p in space.points(block)] == wanted
    assert all(p["count"] * p["share"] <= 2 for p in space.points(space.sample(np.random.default_rng(0), 100)))


def nowhere() -> Space:
    return Space((Parameter.integer("x", 1, 2),), (Expression("x > 5"),))


def test_logarithmic_values_have_equal_ratios() -> None:
    values = Parameter.float("x", 1.0, 16.0, log=True, steps=5).values()
    assert np.allclose(values, [1, 2, 4, 8, 16])
    assert Parameter.integer("n", 1, 1024, log=True, steps=11).values() == [2**k for k in range(11)]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Parameter.ordinal("x"), "no choices"),
        (lambda: Parameter.float("x", 2.0, 1.0), "empty"),
        (lambda: Parameter.float("x", 0.0, 1.0, log=True), "above 0"),
        (lambda: Space((Parameter.integer("x", 1, 2), Parameter.integer("x", 1, 2))), "twice"),
        (lambda: Space((Parameter.integer("x", 1, 2, when={"y": (1,)}),)), "not an earlier parameter"),
        (lambda: Space((Parameter.integer("x", 1, 2),), (Expression("z < 1"),)), "unknown parameter"),
        (lambda: nowhere().sample(np.random.default_rng(0), 1), "no point"),
        (lambda: next(Space((Parameter.float("x", 0.0, 1.0),)).grid()), "continuous"),
        (lambda: Expression("__import__('os').system('true')"), "not possible"),
        (lambda: Expression("x[0]"), "not possible"),
    ],
)  # fmt: skip
def test_bad_spaces_are_refused_in_words(make: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()  # type: ignore[operator]
