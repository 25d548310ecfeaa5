"""Ranks that share experts: one rank is a replica, several wait for each other and pay for all tokens."""

from __future__ import annotations

import numpy as np
import pytest

from simcore.engine.invariants import violations
from simcore.engine.rank_groups import Groups, serve_rank_groups
from simcore.engine.ranks import SharedSteps
from simcore.engine.serving import serve
from simcore.engine.settings import ReplicaSettings
from simcore.spec.traffic import Trace
from simcore.step.times import ZERO, Axis, StepTimes, Table, constant

TOKENS = Axis(4096.0, linear_count=64)
GRID = Axis(4096.0, linear_count=8)


def steps(seconds_per_token: float, fixed_s: float = 0.0) -> StepTimes:
    """A step takes `fixed_s` and so much per token; attention is free."""
    dense = Table(TOKENS, fixed_s + seconds_per_token * TOKENS.knots())
    free = Table(GRID, np.zeros((GRID.size, GRID.size)), GRID)
    return StepTimes(dense, dense, free, free, free)


NOTHING = StepTimes(ZERO, ZERO, ZERO, ZERO, ZERO)
SETTINGS = ReplicaSettings(kv_blocks=4000, max_running=16, token_budget=512, ahead=True)


def trace(count: int, gap_s: float) -> Trace:
    lengths = np.random.default_rng(3)
    return Trace(
        np.arange(count) * gap_s, lengths.integers(20, 900, count), lengths.integers(1, 60, count), source="test"
    )


def test_one_rank_is_a_replica() -> None:
    own = steps(1e-5, 5e-3)
    ranks = serve_rank_groups(trace(60, 0.02), SharedSteps(own, NOTHING), SETTINGS, Groups(1)).requests
    alone = serve(trace(60, 0.02), own, SETTINGS).requests
    assert ranks["done_s"] == pytest.approx(alone["done_s"], abs=1e-12)
    assert ranks["first_token_s"] == pytest.approx(alone["first_token_s"], abs=1e-12)


def test_ranks_wait_for_the_slowest() -> None:
    """Two requests, one rank each: the short prompt is done when the long one's step is."""
    both = Trace(np.zeros(2), np.array([500, 10]), np.array([1, 1]), source="test")
    rows = serve_rank_groups(both, SharedSteps(steps(1e-4), NOTHING), SETTINGS, Groups(2)).requests
    assert list(rows["replica"]) == [0, 1]
    assert rows["done_s"] == pytest.approx([0.05, 0.05])


def test_experts_see_the_tokens_of_all_ranks() -> None:
    both = Trace(np.zeros(2), np.array([500, 10]), np.array([1, 1]), source="test")
    rows = serve_rank_groups(both, SharedSteps(NOTHING, steps(1e-4)), SETTINGS, Groups(2)).requests
    assert rows["done_s"] == pytest.approx(0.051)
    rows = serve_rank_groups(both, SharedSteps(NOTHING, steps(1e-4), padded_tokens=512), SETTINGS, Groups(2)).requests
    assert rows["done_s"] == pytest.approx(0.1)


def test_an_idle_rank_takes_part_with_a_dummy_token() -> None:
    one = Trace(np.zeros(1), np.array([500]), np.array([1]), source="test")
    rows = serve_rank_groups(one, SharedSteps(NOTHING, steps(1e-4)), SETTINGS, Groups(3)).requests
    assert rows["done_s"] == pytest.approx(0.0502)


def test_the_balancer_counts_what_waits_four_times() -> None:
    """Ten at once, nothing published in between: in turn."""
    many = Trace(np.zeros(10), np.full(10, 50), np.full(10, 4), source="test")
    run = serve_rank_groups(many, SharedSteps(steps(1e-5, 1e-3), NOTHING), SETTINGS, Groups(3))
    assert list(run.requests["replica"]) == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    assert run.done.all()


def test_a_crowded_trace_is_served_whole_and_repeats() -> None:
    shared = SharedSteps(steps(1e-5, 5e-3), steps(2e-6, 1e-3), padded_tokens=512)
    first, second = (serve_rank_groups(trace(300, 0.005), shared, SETTINGS, Groups(2)) for _ in range(2))
    assert first.done.all()
    assert first.requests.tobytes() == second.requests.tobytes()
    alone = serve(trace(300, 0.005), steps(1e-5, 5e-3), SETTINGS, replicas=2)
    assert first.requests["done_s"].mean() > alone.requests["done_s"].mean()


def test_constant_shared_time_is_added_to_every_step() -> None:
    one = Trace(np.zeros(1), np.array([100]), np.array([5]), source="test")
    shared = StepTimes(constant(1e-3), constant(1e-3), ZERO, ZERO, ZERO, communication=constant(5e-4))
    rows = serve_rank_groups(one, SharedSteps(steps(0.0, 2e-3), shared), SETTINGS, Groups(1)).requests
    assert rows["done_s"] == pytest.approx(5 * 3.5e-3)


def test_the_invariants_hold() -> None:
    shared = SharedSteps(steps(1e-5, 5e-3), steps(2e-6, 1e-3))
    assert violations(serve_rank_groups(trace(200, 0.004), shared, SETTINGS, Groups(3), log_steps=50)) == []
