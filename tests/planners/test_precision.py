"""Formats by layer: the program against every choice, its bounds, and what a file of a user's gives."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planners.precision import PrecisionProblem, plan_precision
from planners.precision.problem import problem_of, read_problem
from planners.precision.solve import bounds, told
from simcore.errors import InputError
from simcore.spec.load import read_file

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plan-precision.toml"


def drawn(seed: int, **given: float) -> PrecisionProblem:
    """Six layers, three formats: faster ones lose more."""
    random = np.random.default_rng(seed)
    time_s = np.sort(random.uniform(1, 4, (6, 3)), axis=1)[:, ::-1].copy()
    loss = np.sort(random.uniform(0, 1, (6, 3)), axis=1)
    loss[:, 0] = 0.0
    return PrecisionProblem(("a", "b", "c"), time_s, time_s * 10, loss, 0.5, **given)


def brute(problem: PrecisionProblem) -> float:
    """The best of all choices; inf where none keeps the bounds."""
    best = np.inf
    for picked in product(range(3), repeat=6):
        rows = np.arange(6), np.array(picked)
        if all(table[rows].sum() <= most * (1 + 1e-9) for table, most in bounds(problem)):
            plan = told(problem, rows[1])
            best = min(best, plan.time_s if problem.most_loss is not None else plan.loss)
    return best


@pytest.mark.parametrize("seed", range(8))
def test_the_program_finds_the_best_of_all_choices(seed: int) -> None:
    for given in ({"most_loss": 1.0}, {"most_s": 14.0}, {"most_loss": 2.0, "most_bytes": 130.0}):
        problem = drawn(seed, **given)
        found, best = plan_precision(problem), brute(problem)
        assert found.objective == pytest.approx(best)
        assert found.lower_bound <= found.objective * (1 + 1e-9)


def test_a_wider_bound_is_never_worse_and_none_is_told() -> None:
    times = [plan_precision(drawn(3, most_loss=most)).objective for most in (0.0, 0.5, 1.5, 6.0)]
    assert times == sorted(times, reverse=True)
    none = plan_precision(drawn(3, most_loss=1.0, most_bytes=1.0))
    assert none.plan is None and "memory" in none.explanation[0]


def test_a_file_is_answered_and_refused_in_one_line() -> None:
    problem = read_problem(EXAMPLE)
    found = plan_precision(problem)
    assert found.plan is not None and found.plan.loss <= 0.3 and found.metrics["over_uniform_ratio"] < 0.8
    assert found.plan.formats[0] == found.plan.formats[-1] == "fp8", "the layers that lose most"
    raw: dict[str, Any] = read_file(EXAMPLE, "scenario")
    raw["precision"]["loss"] = {"fp8": [0.1, 0.2]}
    with pytest.raises(InputError, match="2 numbers for 32 layers"):
        problem_of(raw, "mine.toml")
    raw["precision"] = {"formats": ["bf16"]}
    with pytest.raises(InputError, match="nothing bounds it"):
        problem_of(raw, "mine.toml")


def test_a_choice_is_a_scenario_that_takes_what_was_planned(tmp_path: Path) -> None:
    """Written, read again and priced: the step takes the program's time, the weights its bytes."""
    import simcore
    from planners.precision.chosen import chosen_scenario
    from scenarios.one_step import asked_step, step_of
    from scenarios.read import read
    from scenarios.toml import dumps

    raw = read_file(EXAMPLE, "scenario")
    found = plan_precision(read_problem(EXAMPLE))
    assert found.plan is not None
    written = tmp_path / "chosen.toml"
    written.write_text(dumps(chosen_scenario(raw, found.plan, str(EXAMPLE))), encoding="utf-8")
    scenario = read(written)
    total = step_of(scenario, asked_step(dict(raw["asked"]), "")).totals()
    assert float(np.max(total.time_s)) == pytest.approx(found.plan.time_s, rel=1e-9)
    plain = scenario.set({"plan.layers": []})
    saved = simcore.estimate(plain).values["weights_bytes"] - simcore.estimate(scenario).values["weights_bytes"]
    problem = read_problem(EXAMPLE)
    assert saved == pytest.approx(float(problem.weights_bytes[:, 0].sum()) - found.plan.weights_bytes, rel=1e-9)
