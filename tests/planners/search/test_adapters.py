"""The space in Optuna's and Gymnasium's terms."""

from __future__ import annotations

import numpy as np
import pytest

from planners.search.adapters import action_space, distributions, levels, point_of, suggest
from planners.search.synthetic import TIERED_SPACE
from tests.planners.search.problems import SPACE


def test_optuna_trials_become_points() -> None:
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(30):
        point = suggest(study.ask(), SPACE)
        assert SPACE.points(SPACE.units([point]))[0] == point
        assert ("add_on" in point) == (point["kind"] == "b")
    fixed = study.ask(distributions(SPACE))
    assert set(fixed.params) == set(SPACE.names)


def test_gymnasium_actions_become_points() -> None:
    pytest.importorskip("gymnasium")
    space = action_space(TIERED_SPACE)
    assert space.nvec.tolist() == levels(TIERED_SPACE)
    space.seed(1)
    for _ in range(30):
        point = point_of(TIERED_SPACE, space.sample())
        assert np.array_equal(TIERED_SPACE.canonical(TIERED_SPACE.units([point])), TIERED_SPACE.units([point]))
