"""The contract of search methods: every shipped one, found by the registry."""

from __future__ import annotations

import numpy as np
import pytest

from planners.search.method import METHODS, Task, method
from planners.search.problem import Objective, Problem
from planners.search.quality import hypervolume
from planners.search.run import SearchResult, Setting, search
from planners.search.space import Parameter, Space
from planners.search.synthetic import QueueEvaluator, queue_problem, tiered_problem
from simcore.errors import InputError
from tests.planners.search.problems import problem

NEEDS_LEVELS = ("multi-fidelity", "halving")


def asked(name: str) -> Problem:
    if name == "cma-es":
        space = Space((Parameter.integer("servers", 1, 16), Parameter.float("clock_ratio", 0.6, 1.0)))
        return Problem(space, (Objective("log_p90_s"),), _Fixed(), reference=(2.0,))
    return queue_problem() if name in NEEDS_LEVELS else tiered_problem()


class _Fixed(QueueEvaluator):
    """The queue with the other parameters set."""

    def __call__(self, points, seeds, level):  # type: ignore[no-untyped-def]
        rest = {"grade": "plain", "batch": 1, "pooled": True}
        return super().__call__([p | rest for p in points], seeds, level)


def run(name: str, seed: int = 1, budget: float = 40) -> SearchResult:
    pytest.importorskip("optuna") if name in ("tpe", "nsga2", "nsga3") else None
    pytest.importorskip("cmaes") if name == "cma-es" else None
    return search(asked(name), method(name), Setting(budget=budget, seed=seed))


@pytest.mark.parametrize("name", METHODS.names())
def test_contract(name: str) -> None:
    if name == "exhaustive":
        return
    first, again, other = run(name), run(name), run(name, seed=2)
    space, costs = first.problem.space, first.problem.evaluator.costs
    assert np.array_equal(first.units, again.units), "the same seed gives the same search"
    assert not np.array_equal(first.units, other.units), "another seed gives another"
    assert np.array_equal(space.canonical(first.units), first.units)
    assert space.allowed(space.points(first.units)).all()
    assert sum(costs[level] for level in first.level) == pytest.approx(40, abs=1.0)
    assert np.isnan(first.values[first.violation > 0]).all()
    assert np.isfinite(first.values[first.violation <= 0]).all()


def test_exhaustive_finds_the_frontier() -> None:
    whole = search(problem(), method("exhaustive"), Setting(budget=1e9))
    assert len(whole.units) == 550
    part = search(problem(), method("random"), Setting(budget=200))
    assert hypervolume(part.values, whole.reference) <= whole.hypervolume
    assert whole.knee in whole.frontier[0]


@pytest.mark.parametrize("name", ["mutation", "reinforce", "surrogate"])
def test_better_than_random_on_a_small_space(name: str) -> None:
    ratio = [
        search(problem(), method(m), Setting(budget=60, seed=s)).hypervolume for m in (name, "random") for s in range(4)
    ]
    assert np.mean(ratio[:4]) > np.mean(ratio[4:])


def test_a_method_says_why_it_cannot() -> None:
    with pytest.raises(InputError, match="several objectives"):
        search(tiered_problem(), method("cma-es"), Setting(budget=5))
    with pytest.raises(InputError, match="one level"):
        search(tiered_problem(), method("multi-fidelity"), Setting(budget=5))
    with pytest.raises(InputError, match="did you mean start"):
        search(tiered_problem(), method("mutation"), Setting(budget=5, method_settings={"strat": 3}))


def test_cma_es_descends_a_bowl() -> None:
    from planners.search.function import FunctionEvaluator

    pytest.importorskip("cmaes")
    space = Space(tuple(Parameter.float(n, -1.0, 1.0) for n in "xyz"))
    bowl = FunctionEvaluator(_bowl, ("height",))
    found = search(Problem(space, (Objective("height"),), bowl), method("cma-es"), Setting(budget=400))
    assert found.values.min() < 1e-6


def _bowl(x: float, y: float, z: float) -> dict[str, float]:
    return {"height": (x - 0.3) ** 2 + 4 * (y + 0.2) ** 2 + (z - x) ** 2}


def test_the_surrogate_reports_its_error() -> None:
    searcher = method("surrogate").start(Task(tiered_problem().space, 2, 60, 0))
    asked_problem = tiered_problem()
    from planners.search.method import Told

    for _ in range(60):
        units = searcher.ask(1).units
        points = asked_problem.space.points(units)
        values, violation = asked_problem.judge(points, asked_problem.evaluator(points, [0], 0))
        searcher.tell(Told(units, values, violation))
    assert 0 < searcher.error_ratio < 2  # type: ignore[attr-defined]


def test_noisy_answers_differ_by_repeat_and_agree_by_seed() -> None:
    first = search(queue_problem(), method("halving"), Setting(budget=40, seed=1))
    full = first.units[first.full]
    _, counts = np.unique(full, axis=0, return_counts=True)
    assert counts.max() > 1
    repeated = (full == full[np.argmax([(full == u).all(axis=1).sum() for u in full])]).all(axis=1)
    assert len(set(first.values[first.full][repeated][:, 0])) > 1
