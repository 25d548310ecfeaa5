"""Closed loops in fleets: users, sessions that wait, fan-out; the same bytes as the compiled loop where both apply."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simcore.engine.feedback import Clients
from simcore.engine.fleet import Failure, FleetPlan, Pool, Transfer, serve_fleet
from simcore.engine.invariants import violations
from simcore.engine.serving import serve_clients
from simcore.engine.settings import ReplicaSettings
from simcore.errors import InputError
from simcore.spec.traffic import Trace
from tests.simcore.engine.physics import law, steps
from workloads import generate

HOW = ReplicaSettings(kv_blocks=300, max_running=16, token_budget=512)
TIMES = law(0.005, 1e-4, 1e-7)
RANDOM = np.random.default_rng(4)
ROWS = Trace(np.zeros(300), RANDOM.integers(1, 300, 300), RANDOM.integers(1, 60, 300))


def plan(count: int = 1, how: ReplicaSettings = HOW, **more: object) -> FleetPlan:
    return FleetPlan((Pool("main", how, TIMES, count),), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("scheduler", ["chunked", "prefill-first", "sglang", "static", "orca", "shortest-job"])
@pytest.mark.parametrize("think_s", [0.0, 1e-6, 0.3])
def test_users_of_one_replica_equal_the_compiled_loop(scheduler: str, think_s: float) -> None:
    how = replace(HOW, scheduler=scheduler)
    fleet = serve_fleet(plan(how=how), ROWS, clients=Clients(12, think_s))
    fast = serve_clients(ROWS, TIMES, how, Clients(12, think_s))
    assert fleet.requests.tobytes() == fast.requests.tobytes()
    assert fleet.replicas["energy_j"] == fast.replicas["energy_j"]


def test_users_of_unequal_replicas() -> None:
    fast = Pool("fast", HOW, law(0.002, 4e-5, 4e-8), 1)
    slow = Pool("slow", replace(HOW, scheduler="prefill-first", max_running=8), TIMES, 2)
    run = serve_fleet(FleetPlan((fast, slow)), ROWS, clients=Clients(24, 0.01))
    assert violations(run) == []
    assert run.replicas["finished"][0] > run.replicas["finished"][1:].max() > 0
    spent_s = (run.requests["done_s"] - run.requests["arrival_s"]).sum() + 0.01 * len(ROWS)
    assert spent_s / run.requests["done_s"].max() == pytest.approx(24, rel=0.06)


def test_a_turn_waits_for_the_answer_and_its_pause_by_hand() -> None:
    rows = Trace(
        np.array([1.0, 2.0, 3.0]),
        np.array([10, 20, 30]),
        np.array([4, 2, 1]),
        session=np.zeros(3, np.int64),
        turn=np.arange(3),
        pause_s=np.array([9.0, 0.5, 0.25]),
    )
    one = FleetPlan((Pool("main", ReplicaSettings(), steps(step_s=1.0), 1),))
    run = serve_fleet(one, rows, wait=True)
    assert run.requests["arrival_s"] == pytest.approx([1.0, 5.5, 7.75])
    assert run.requests["done_s"] == pytest.approx([5.0, 7.5, 8.75])
    assert violations(run) == []


def test_fan_out_joins_before_the_next_turn() -> None:
    first = Trace(np.array([0.0]), np.array([10]), np.array([3]))
    rows = generate.sessions(first, turns=2, pause_s=1.0, token_s=0.0, copies=3)
    rows = replace(rows, output_tokens=np.array([3, 5, 1, 2, 2, 2]))
    one = FleetPlan((Pool("main", ReplicaSettings(), steps(step_s=1.0), 1),))
    run = serve_fleet(one, rows, wait=True)
    assert run.requests["done_s"][:3].max() == pytest.approx(5.0)
    assert run.requests["arrival_s"][3:] == pytest.approx(np.full(3, 5.0 + rows.pause_s[3]))  # type: ignore[index]


def test_slow_answers_delay_the_next_turn_and_shorten_the_queue() -> None:
    first = generate.generate(60, generate.poisson(8.0), generate.uniform_range((50, 80), (20, 40)), seed=1)
    rows = generate.sessions(first, turns=4, pause_s=0.5, token_s=0.005)
    opened, closed = (serve_fleet(plan(2), rows, wait=wait) for wait in (False, True))
    assert violations(opened) == violations(closed) == []
    assert closed.requests["arrival_s"].max() > opened.requests["arrival_s"].max()
    queue_s = [(run.requests["scheduled_s"] - run.requests["arrival_s"]).mean() for run in (opened, closed)]
    assert queue_s[1] < queue_s[0]
    turns = {(s, t): at for at, (s, t) in enumerate(zip(rows.session, rows.turn, strict=True))}  # type: ignore[arg-type]
    for (session, turn), at in turns.items():
        if turn > 0:
            end_s = closed.requests["done_s"][turns[session, turn - 1]]
            assert closed.requests["arrival_s"][at] == end_s + rows.pause_s[at]  # type: ignore[index]


def test_sessions_through_disaggregation_with_a_failure() -> None:
    first = generate.generate(40, generate.poisson(8.0), generate.uniform_range((50, 80), (20, 40)), seed=2)
    rows = generate.sessions(first, turns=3, pause_s=0.2, token_s=0.005, copies=2)
    decode = replace(HOW, scheduler="decode-only")
    pools = (Pool("p", HOW, TIMES, 2, "prefill"), Pool("d", decode, TIMES, 2, "decode"))
    moves = Transfer(1e5, 1e9, latency_s=0.001, channels=2)
    run = serve_fleet(FleetPlan(pools, transfer=moves, failures=(Failure(1.0, 0, 2.0),)), rows, wait=True)
    assert violations(run) == []
    again = serve_fleet(FleetPlan(pools, transfer=moves, failures=(Failure(1.0, 0, 2.0),)), rows, wait=True)
    assert run.requests.tobytes() == again.requests.tobytes()


def test_waiting_needs_turns() -> None:
    with pytest.raises(InputError, match="sessions and turns"):
        serve_fleet(plan(), ROWS, wait=True)
