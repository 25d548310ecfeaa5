"""Gymnasium environments pass the official checker and tell raw objectives."""

from __future__ import annotations

import warnings

import pytest

from planners.search import environment
from planners.search.synthetic import tiered, tiered_problem

gymnasium = pytest.importorskip("gymnasium")


@pytest.mark.parametrize("name", [environment.PLAN_SPACE, environment.SEQUENTIAL])
def test_official_checker(name: str) -> None:
    from gymnasium.utils.env_checker import check_env

    environment.register()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        check_env(gymnasium.make(name).unwrapped, skip_render_check=True)


def test_info_holds_what_the_evaluator_said() -> None:
    env = environment.sequential(tiered_problem())
    env.reset(seed=1)
    done, info, steps = False, {}, 0
    while not done:
        _, reward, done, _, info = env.step(0)
        steps += 1
    assert steps == len(tiered_problem().space)
    said = tiered(**info["point"])
    assert info["violation"] > 0 if "violation" in said else info["objectives"] == pytest.approx(said)
    assert reward == environment.INFEASIBLE_REWARD or info["violation"] == 0
