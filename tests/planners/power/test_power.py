"""Power oversubscription: curves, the chance constraint on fresh scenarios, the controller's invariants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planners.power import PowerProblem, plan
from planners.power.problem import read_problem
from planners.power.question import curves_of
from planners.power.replay import diurnal, most_servers, replay
from planners.power.robustness import risks
from planners.power.scenarios import busy_shares
from planners.power.solve import exceedance
from simcore.engine.power_control import ControlledClass, PowerControl, run_row
from simcore.errors import InputError

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "power-row.toml"


@pytest.fixture(scope="module")
def problem() -> PowerProblem:
    return read_problem(EXAMPLE)


@pytest.fixture(scope="module")
def curves(problem: PowerProblem):
    return curves_of(problem)


def test_a_lower_clock_saves_power_and_costs_prefill_more_than_decode() -> None:
    question = read_problem(EXAMPLE)
    kinds = [question.classes[0].model_copy(update={"work": w, "name": w}) for w in ("prefill", "decode")]
    found = curves_of(question.replace(classes=tuple(kinds)))
    for curve in found.values():
        powers = [curve.busy_w(f) for f in (0.6, 0.8, 1.0)]
        assert curve.idle_w < powers[0] < powers[1] < powers[2]
        assert curve.slowdown(1.0) == pytest.approx(0.0) and curve.slowdown(0.6) > 0
    assert found["decode"].slowdown(0.9) < 0.02 < found["prefill"].slowdown(0.9)
    assert found["decode"].busy_w(1.0) < found["prefill"].busy_w(1.0)


@pytest.mark.parametrize("risk", [0.01, 0.05])
def test_risk_holds_on_fresh_scenarios(problem: PowerProblem, curves, risk: float) -> None:
    case = problem.replace(risk=risk)
    answer = plan(case, curves, seed=3)
    assert answer.plan is not None and answer.plan.total > case.nameplate_servers
    fresh = busy_shares(case, 20_000, 777)
    assert exceedance(case, curves, answer.plan, fresh) <= risk
    assert answer.lower_bound <= answer.objective + 1e-6


def test_the_risk_grows_with_correlation_and_with_busy_shares(problem: PowerProblem, curves) -> None:
    answer = plan(problem, curves)
    assert answer.plan is not None
    found = {(one.common_load, one.busy_ratio): one.risk for one in risks(problem, curves, answer.plan)}
    for load in (0.0, 0.1, 0.3, 0.5):
        assert found[load, 0.95] <= found[load, 1.0] <= found[load, 1.05]
    assert found[0.0, 1.0] <= found[0.1, 1.0] < found[0.3, 1.0] < found[0.5, 1.0]
    assert found[problem.common_load, 1.0] == pytest.approx(answer.metrics["out_of_sample_risk"], abs=0.01)


def test_more_risk_and_more_budget_never_feed_fewer(problem: PowerProblem, curves) -> None:
    totals = [plan(problem.replace(risk=r), curves).plan.total for r in (0.01, 0.2)]
    more = plan(problem.replace(budget_w=problem.budget_w * 1.2), curves).plan.total
    assert totals[0] <= totals[1] and totals[0] < more


def test_an_impossible_row_says_why(problem: PowerProblem, curves) -> None:
    tiny = plan(problem.replace(budget_w=100.0), curves)
    assert tiny.plan is None and "below the idle power" in tiny.explanation[0]
    strict = problem.replace(clock_ratios=(0.5,))
    assert "slows it by more than" in plan(strict, curves).explanation[0]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('budget = "260 kW"', 'budget = "0 W"', "must be above zero"),
        ('budget = "260 kW"', 'budget = "260 kg"', "is not a quantity"),
        ("share = 0.5", "share = 0.7", "add up to 1.2, not 1"),
        ("clock_ratios = [1.0, 0.95, 0.9, 0.8]", "clock_ratios = [1.5]", "between 0 and 1"),
        ("risk = 0.01", "risky = 0.01", "unknown key"),
    ],
)
def test_bad_problems_are_one_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = tmp_path / "row.toml"
    path.write_text(EXAMPLE.read_text().replace(old, new, 1))
    with pytest.raises(InputError) as error:
        read_problem(path)
    assert says in str(error.value) and "row.toml" in str(error.value)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.9, 1.6))
def test_the_breaker_never_trips_while_the_brake_keeps_its_latency(seed: int, scale: float) -> None:
    """Whatever the load, power above the budget lasts at most telemetry x 2 + brake latency."""
    random = np.random.default_rng(seed)
    load = np.clip(random.random(400).cumsum() / 200 * scale, 0, scale)
    levels = np.stack([load * 1000, load * 900, load * 800, np.minimum(load, 1) * 300])
    control = PowerControl()
    trace = run_row([ControlledClass("all", False, levels, np.array([0, 0.1, 0.2, 3.0]))], 1000.0, control)
    assert trace.longest_over_s <= control.trip_s
    assert trace.energy_j == pytest.approx(trace.power_w.sum() * control.telemetry_s)


def test_same_seed_same_trace(problem: PowerProblem, curves) -> None:
    row = plan(problem, curves).plan
    assert row is not None
    one, two = (replay(problem, curves, row, PowerControl(), days=0.05, seed=5).trace.power_w for _ in range(2))
    assert np.array_equal(one, two)


def test_training_swings_are_seen(problem: PowerProblem) -> None:
    kind = problem.classes[0].model_copy(update={"work": "training", "share": 1.0})
    busy = diurnal(problem.replace(classes=(kind,)), 0.01, 2.0, 0)
    assert busy.max() == pytest.approx(3 * busy.min())


def test_a_slower_controller_allows_no_more_servers(problem: PowerProblem, curves) -> None:
    fast, _ = most_servers(problem, curves, PowerControl(), days=0.5)
    slow, found = most_servers(problem, curves, PowerControl(cap_latency_s=600.0), days=0.5)
    assert slow.total <= fast.total and found.acceptable and not found.tripped
