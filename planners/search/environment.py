"""Gymnasium environments over a search problem: `simcore/PlanSpace-v0` and `simcore/PlanSpaceSequential-v0`.

    from planners.search import environment
    environment.register()
    env = gymnasium.make("simcore/PlanSpace-v0", problem=problem)

Any agent can be plugged in; `docs/search.md` shows stable-baselines3.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np

from planners.search.adapters import action_space, gymnasium, levels
from planners.search.method import chebyshev
from planners.search.problem import Problem
from planners.search.space import Array
from simcore.errors import InputError

PLAN_SPACE, SEQUENTIAL = "simcore/PlanSpace-v0", "simcore/PlanSpaceSequential-v0"
INFEASIBLE_REWARD = -2.0


def register() -> None:
    """Make both ids known to Gymnasium; again does nothing. Raises InputError where Gymnasium is missing."""
    module = gymnasium()
    for name, entry in ((PLAN_SPACE, "one_step"), (SEQUENTIAL, "sequential")):
        if name not in module.registry:
            module.register(id=name, entry_point=f"planners.search.environment:{entry}")


def one_step(problem: Problem | None = None, render_mode: str | None = None) -> Any:
    """One episode is one evaluation: the action names the level of every parameter (MultiDiscrete)."""
    return _classes()[0](problem or _default(), render_mode)


def sequential(problem: Problem | None = None, render_mode: str | None = None) -> Any:
    """One action per parameter, in order; the reward comes with the last."""
    return _classes()[1](problem or _default(), render_mode)


class Core:
    """What both environments share.

    The observation starts with the direction of this episode, a weight per objective: the reward is minus the weighted
    Chebyshev norm of the objectives, scaled by ranges that are measured once on 256 fixed random points. Infeasible
    points give INFEASIBLE_REWARD; raw objectives, violation and the point are in `info`.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.space = problem, problem.space
        self.levels = levels(problem.space)
        self.level = len(problem.evaluator.costs) - 1
        values = self._values(problem.space.sample(np.random.default_rng(0), 256), 0)[0]
        good = values[np.isfinite(values).all(axis=1)]
        if not len(good):
            raise InputError("256 random points are all infeasible: rewards have no scale", key=problem.name)
        self.low, self.high = np.quantile(good, 0.0, axis=0), np.quantile(good, 0.9, axis=0)

    def _values(self, units: Array, seed: int) -> tuple[Array, Array, list[dict[str, Any]]]:
        points = self.space.points(units)
        outputs = self.problem.evaluator(points, [seed] * len(points), self.level)
        return (*self.problem.judge(points, outputs), points)

    def play(self, actions: Any, weight: Array, rng: np.random.Generator) -> tuple[float, dict[str, Any]]:
        """(reward, info) of one point."""
        unit = (np.asarray(actions, float) + 0.5) / np.array(self.levels)
        unit = self.space.canonical(unit[None])
        values, violation, points = self._values(unit, int(rng.integers(2**31)))
        allowed = bool(self.space.allowed(points)[0])
        signs = [o.sign for o in self.problem.objectives]
        names = [o.name for o in self.problem.objectives]
        info = {
            "objectives": {n: float(s * v) for n, s, v in zip(names, signs, values[0], strict=True)},
            "violation": float(violation[0]) if allowed else 1.0,
            "point": points[0],
        }
        if violation[0] > 0 or not allowed:
            return INFEASIBLE_REWARD, info
        span = np.where(self.high > self.low, self.high - self.low, 1.0)
        return float(-chebyshev((values - self.low) / span, weight)[0]), info

    def direction(self, rng: np.random.Generator) -> Array:
        return np.asarray(rng.dirichlet(np.ones(len(self.problem.objectives))), np.float64)


@cache
def _classes() -> tuple[Any, Any]:
    """The two classes, made when Gymnasium is at hand."""
    module = gymnasium()
    base: Any = module.Env
    box, discrete = module.spaces.Box, module.spaces.Discrete

    class PlanSpace(base):  # type: ignore[misc]
        """Contextual bandit: the direction in, a whole point out."""

        metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

        def __init__(self, problem: Problem, render_mode: str | None = None) -> None:
            self.core, self.render_mode = Core(problem), render_mode
            self.action_space = action_space(problem.space)
            self.observation_space = box(0.0, 1.0, (len(problem.objectives),), np.float64)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            self.weight = self.core.direction(self.np_random)
            return self.weight.copy(), {}

        def step(self, action: Any) -> Any:
            reward, info = self.core.play(action, self.weight, self.np_random)
            return self.weight.copy(), reward, True, False, info

    class PlanSpaceSequential(base):  # type: ignore[misc]
        """Parameters one by one; an action beyond a parameter's levels is taken modulo them."""

        metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

        def __init__(self, problem: Problem, render_mode: str | None = None) -> None:
            self.core, self.render_mode = Core(problem), render_mode
            self.action_space = discrete(max(self.core.levels))
            width = len(problem.objectives) + 2 * len(self.core.levels)
            self.observation_space = box(0.0, 1.0, (width,), np.float64)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            self.weight = self.core.direction(self.np_random)
            self.chosen: list[int] = []
            return self._seen(), {}

        def step(self, action: Any) -> Any:
            width = self.core.levels
            self.chosen.append(int(action) % width[len(self.chosen)])
            if len(self.chosen) < len(width):
                return self._seen(), 0.0, False, False, {}
            reward, info = self.core.play(self.chosen, self.weight, self.np_random)
            return self._seen(), reward, True, False, info

        def _seen(self) -> Array:
            """Direction, units of the parameters chosen so far, and which of them are chosen."""
            width = self.core.levels
            units, known = np.zeros(len(width)), np.zeros(len(width))
            for i, action in enumerate(self.chosen):
                units[i], known[i] = (action + 0.5) / width[i], 1.0
            return np.concatenate([self.weight, units, known])

    return PlanSpace, PlanSpaceSequential


def _default() -> Problem:
    from planners.search.synthetic import tiered_problem

    return tiered_problem()
