"""Pipeline stages one by one: bubbles by hand, no stage serves two micro-batches at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simcore.engine.fleet import Failure, Fleet, FleetPlan, Pool, serve_fleet
from simcore.engine.invariants import violations
from simcore.engine.serving import ServingRun, serve
from simcore.engine.settings import ReplicaSettings
from simcore.errors import InputError
from simcore.spec.traffic import Trace
from tests.simcore.engine.physics import law, steps

HOW = ReplicaSettings(kv_blocks=300, max_running=16, token_budget=512)
RANDOM = np.random.default_rng(8)
TRACE = Trace(np.cumsum(RANDOM.exponential(0.02, 300)), RANDOM.integers(1, 300, 300), RANDOM.integers(1, 60, 300))


def pipeline(microbatches: int, shares: tuple[float, ...] = (0.25,) * 4, step_s: float = 4.0) -> Pool:
    how = ReplicaSettings(max_running=1)
    return Pool("main", how, steps(step_s=step_s), 1, stage_shares=shares, microbatches=microbatches)


def at_once(count: int, outputs: int) -> Trace:
    return Trace(np.zeros(count), np.full(count, 10), np.full(count, outputs))


@pytest.mark.parametrize(("microbatches", "last_s"), [(1, 4 * 40.0), (2, 2 * 40.0 + 1), (4, 40.0 + 3)])
def test_bubbles_shrink_with_the_micro_batches(microbatches: int, last_s: float) -> None:
    """Four stages of 1 s, four requests of ten steps: one after another, two at a time, all four without a bubble."""
    run = serve_fleet(FleetPlan((pipeline(microbatches),), router="round-robin"), at_once(4, 10))
    assert run.requests["done_s"].max() == pytest.approx(last_s)
    assert violations(run) == []


def test_more_micro_batches_than_stages_gain_nothing() -> None:
    four, eight = (
        serve_fleet(FleetPlan((pipeline(m),), router="round-robin"), at_once(8, 10)).requests["done_s"].max()
        for m in (4, 8)
    )
    assert four == pytest.approx(2 * 40 + 3) and eight == pytest.approx(80 + 3)


def test_the_fullest_stage_sets_the_pace() -> None:
    uneven = (0.25, 0.25, 0.125)
    run = serve_fleet(FleetPlan((pipeline(3, uneven),), router="round-robin"), at_once(3, 5))
    period, through = 3 * 1.0, 2.5
    assert run.requests["done_s"].max() == pytest.approx(4 * period + 2 * 1.0 + through)


def test_one_micro_batch_has_the_times_of_one_piece() -> None:
    pool = Pool("main", HOW, law(0.005, 1e-4, 1e-7), 2, stage_shares=(0.5, 0.5))
    staged = serve_fleet(FleetPlan((pool,)), TRACE)
    plain = serve(TRACE, law(0.005, 1e-4, 1e-7), HOW, replicas=2, router="least-outstanding")
    for name in ("scheduled_s", "first_token_s", "done_s"):
        assert staged.requests[name] == pytest.approx(plain.requests[name], abs=1e-9), name


def test_no_stage_serves_two_at_once() -> None:
    pool = Pool("main", replace(HOW, kv_blocks=150), law(0.02, 1e-4, 1e-7), 2, stage_shares=(0.5, 0.3), microbatches=3)
    fleet = Fleet(FleetPlan((pool,), router="shortest-queue"), TRACE)
    fleet.log = np.zeros(0, fleet.log.dtype)
    seen: list[tuple[int, float, float]] = []
    known: dict[int, float] = {}

    def spy(reached: Fleet) -> object:
        while reached.watch.left > 0:
            yield reached.env.timeout(1e-3)
            for at, record in enumerate(reached.records):
                if record["pending"] and known.get(at) != float(record["step_end_s"]):
                    known[at] = float(record["step_end_s"])
                    seen.append((int(record["leader"]), float(record["step_start_s"]), known[at]))

    run: ServingRun = fleet.run((spy,))  # type: ignore[arg-type]
    assert violations(run) == [] and len(seen) > 500
    for leader in (0, 3):
        steps_of = sorted((start, end) for group, start, end in seen if group == leader)
        starts, ends = np.array(steps_of).T
        assert (np.diff(ends) > 0).all()
        assert (np.diff(starts) >= 0.5 * 0.02 - 1e-9).all()


def test_stages_exclude_what_they_do_not_cover() -> None:
    with pytest.raises(InputError, match="neither fail"):
        serve_fleet(FleetPlan((pipeline(2),), failures=(Failure(1.0, 0, 1.0),)), at_once(2, 2))
    with pytest.raises(InputError, match="65 stages"):
        serve_fleet(FleetPlan((pipeline(2, (1 / 65,) * 65),)), at_once(2, 2))
