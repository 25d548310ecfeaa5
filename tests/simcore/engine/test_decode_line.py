"""Runs of decode steps taken at once are the same steps walked: clocks and counts to the bit, sums to rounding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenarios.read import read
from scenarios.run import ready
from simcore.engine.feedback import Clients
from simcore.engine.fleet import Failure, FleetPlan, Pool, serve_fleet
from simcore.engine.serving import serve, serve_clients
from simcore.engine.settings import ReplicaSettings
from simcore.policy.scheduler import schedulers
from simcore.spec.traffic import Trace
from simcore.step.kernel import decode_run, pack, run_step_s, steps_in_cell
from simcore.step.packed import DECODE_PURE
from simcore.step.times import Axis, StepTimes, Table
from tests.simcore.engine.physics import NO_ATTENTION, law

EXAMPLES = Path(__file__).parents[3] / "examples"
RANDOM = np.random.default_rng(5)
COUNT = 250
TRACE = Trace(
    np.cumsum(RANDOM.exponential(0.05, COUNT)), RANDOM.integers(1, 300, COUNT), RANDOM.integers(1, 200, COUNT)
)
HOW = ReplicaSettings(kv_blocks=400, max_running=16, token_budget=512)
SUMS = ("busy_s", "energy_j", "busy", "energy", "decoded", "prefilled", "running_s", "waiting_s", "kv_block_s")


def crooked(**more: float) -> StepTimes:
    """Tables of random heights: decode attention that bends at every knot and sees the longest, overlap, a stream."""
    batch, kv, skew = Axis(256, linear_count=8), Axis(4096, unit=16, linear_count=4), Axis(1.0, unit=0.25)
    random = np.random.default_rng(3)

    def drawn(x: Axis, y: Axis, scale: float) -> Table:
        rows = np.cumsum(random.random((len(x.knots()), len(y.knots()))), axis=1)
        return Table(x, scale * np.cumsum(rows, axis=0), y)

    dense = Table(batch, 1e-4 * np.cumsum(random.random(len(batch.knots()))))
    decode, uneven = drawn(batch, kv, 3e-5), Table(batch, random.random((len(batch.knots()), len(skew.knots()))), skew)
    sent = Table(batch, 1e-4 * np.cumsum(random.random(len(batch.knots()))))
    times = StepTimes(dense, dense, NO_ATTENTION, decode, decode, communication=sent, **more)
    return replace(times, uneven_pure=uneven, uneven_mixed=uneven, energy_pure=drawn(batch, kv, 0.1), idle_w=50.0)


PHYSICS = {
    "law": law(0.005, 1e-4, 1e-7),
    "crooked": crooked(),
    "overlap": crooked(communication_overlap_ratio=0.7),
    "stream": crooked(stream_s=0.004, stream_first_s=0.001, stream_own_ratio=0.3),
}


AHEAD, ASKED = PHYSICS["crooked"].decode_pure, PHYSICS["crooked"].dense_pure
PHYSICS["streams"] = replace(
    crooked(stream_own_ratio=0.3, stream_token_first_ratio=0.2, stream_kv_first_ratio=0.1, stream_wait_s=1e-4),
    **{"stream_pure": ASKED, "stream_mixed": ASKED, "stream_prefill": AHEAD, "stream_decode": AHEAD},
)


def same(walked: Any, at_once: Any) -> None:
    """Raises AssertionError unless two runs are the same."""
    for name in walked.requests.dtype.names:
        one, other = walked.requests[name], at_once.requests[name]
        assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), name
    for name in walked.replicas.dtype.names:
        one, other = walked.replicas[name], at_once.replicas[name]
        if name in SUMS:
            assert np.allclose(one, other, rtol=1e-12, atol=1e-12 * np.max(np.abs(one), initial=1e-30)), name
        elif name != "walk":
            assert np.array_equal(one, other), name


@pytest.mark.parametrize("physics", PHYSICS)
@pytest.mark.parametrize(
    "more",
    [{}, {"reserve_output": True}, {"kv_blocks": 60}, {"window_tokens": 64, "block_pages": 2, "kept_pages": 1}],
    ids=str,
)
def test_open_loops(physics: str, more: dict[str, Any]) -> None:
    how, times = replace(HOW, **more), PHYSICS[physics]
    same(*(serve(TRACE, times, replace(how, walk=walk), 2) for walk in (True, False)))


@pytest.mark.parametrize("scheduler", sorted(set(schedulers.names()) - {"decode-only"}))
def test_every_scheduler(scheduler: str) -> None:
    how = replace(HOW, scheduler=scheduler, series_width_s=0.01)
    same(*(serve(TRACE, PHYSICS["crooked"], replace(how, walk=walk)) for walk in (True, False)))


def test_closed_loops() -> None:
    for users in (1, 8, 40):
        clients = Clients(users, 0.3)
        runs = [serve_clients(TRACE, PHYSICS["crooked"], replace(HOW, walk=walk), clients) for walk in (True, False)]
        same(*runs)


def test_fleets_with_feedback_and_failures() -> None:
    for clients, failures in ((Clients(8, 0.3), ()), (None, (Failure(2.0, 1, 1.5), Failure(2.5, 0, 1.0)))):
        plans = [
            FleetPlan((Pool("main", replace(HOW, walk=walk), PHYSICS["crooked"], 3),), failures=failures)
            for walk in (True, False)
        ]
        same(*(serve_fleet(plan, TRACE, clients=clients) for plan in plans))


@pytest.mark.parametrize("name", ["power-policies", "kv-tiers", "sessions", "disaggregated"])
def test_scenarios_with_clocks_tiers_sessions_and_roles(name: str) -> None:
    known = ready(read(EXAMPLES / f"{name}.toml", {"traffic.requests": 60}))
    walked = replace(known, settings=replace(known.settings, walk=True))
    same(walked.run(), known.run())


@pytest.mark.parametrize("physics", ["law", "crooked"])
def test_a_cell_holds_no_bend_and_ends_at_one(physics: str) -> None:
    """Every step of a run from its own look-ups: straight inside the cell, else a longer cell would have been found."""
    record, random, bent = pack(PHYSICS[physics])[0], np.random.default_rng(1), 0
    for _ in range(30):
        batch, mean = int(random.integers(1, 40)), int(random.integers(1, 1500))
        count = int(steps_in_cell(record, DECODE_PURE, float(mean)))
        run = decode_run(record, float(batch))
        told = [run_step_s(record, run, (float(mean + k),) * 3) for k in range(min(count + 2, 400))]
        bends = np.abs(np.diff(told, 2)) > 1e-9 * told[0]
        assert not bends[: max(0, count - 2)].any()
        bent += bool(bends[max(0, count - 2) :].any())
    assert bent == (0 if physics == "law" else 30)
