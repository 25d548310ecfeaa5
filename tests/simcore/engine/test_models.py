"""Several models and a job on shared chips: one model is today's answer, nothing is lost, switching costs its time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simcore.engine.invariants import violations
from simcore.engine.models.serve import Job, Member, Shared, SharedRun, serve_models
from simcore.engine.serving import Clients, serve, serve_clients
from simcore.engine.settings import ReplicaSettings
from simcore.spec.traffic import Trace
from tests.simcore.engine.physics import law

RANDOM = np.random.default_rng(7)
COUNT = 200
TRACE = Trace(np.cumsum(RANDOM.exponential(0.1, COUNT)), RANDOM.integers(1, 300, COUNT), RANDOM.integers(1, 100, COUNT))
HOW = ReplicaSettings(kv_blocks=400, max_running=16, token_budget=512)
STEPS = law(0.005, 1e-4, 1e-7)
ONE = Member("one", HOW, STEPS, weight_bytes=10.0, fetch_s=0.5)
KINDS = RANDOM.integers(0, 3, COUNT)


def shared(**more: Any) -> Shared:
    """Three models, one of which is slower, with room for two."""
    slow = replace(ONE, name="slow", step_times=law(0.01, 2e-4, 1e-7))
    return Shared(**{"members": (replace(ONE, copies=2), slow), "capacity_bytes": 20.0} | more)


def same(plain: Any, found: SharedRun) -> None:
    for name in plain.requests.dtype.names:
        assert np.array_equal(plain.requests[name], found.requests[name], equal_nan=True), name
    for name in plain.replicas.dtype.names:
        assert np.array_equal(plain.replicas[name], found.replicas[name]), name


@pytest.mark.parametrize("replicas", [1, 3])
def test_one_model_is_todays_answer_to_the_last_bit(replicas: int) -> None:
    alone, kinds = Shared((ONE,), replicas, capacity_bytes=10.0), np.zeros(COUNT, np.int64)
    same(serve(TRACE, STEPS, HOW, replicas, "least-outstanding"), serve_models(alone, TRACE, kinds))


def test_a_closed_loop_of_one_model_too() -> None:
    kinds, clients = np.zeros(COUNT, np.int64), Clients(20, 0.3)
    plain, found = serve_clients(TRACE, STEPS, HOW, clients), serve_models(Shared((ONE,)), TRACE, kinds, (), clients)
    for name in ("scheduled_s", "first_token_s", "done_s"):
        assert np.allclose(plain.requests[name], found.requests[name], rtol=1e-9), name


TIGHT = tuple(replace(m, settings=replace(HOW, kv_blocks=30)) for m in shared().members)
"""KV of one long request and little more: who runs has what the others do not hold"""
CASES: list[dict[str, Any]] = [
    {},
    {"turn_s": 0.05},
    {"ahead": True, "rule": "lfu"},
    {"turn_s": 0.0, "capacity_bytes": 30.0},
    {"count": 2, "by_turn": True, "rule": "static"},
    {"count": 2, "job": Job("tune", 1e-3, 0.05)},
    {"members": TIGHT, "turn_s": 0.03},
]


@pytest.mark.parametrize("more", CASES, ids=str)
@pytest.mark.parametrize("clients", [None, Clients(24, 0.1)], ids=["open", "closed"])
def test_requests_are_conserved_and_chips_are_never_taken_twice(more: dict[str, Any], clients: Any) -> None:
    found = serve_models(shared(**more), TRACE, KINDS, (), clients)
    assert not violations(found) and found.done.all()
    assert np.array_equal(found.requests["replica"] % 3, KINDS)
    held = (found.models["resident"] * found.models["weight_bytes"]).reshape(-1, 3).sum(axis=1)
    assert (held <= found.groups["capacity_bytes"]).all()
    busy_s = found.replicas["busy_s"].reshape(-1, 3).sum(axis=1)
    end_s = found.replicas["now_s"].reshape(-1, 3).max(axis=1)
    assert (busy_s + found.models["waited_s"].reshape(-1, 3).sum(axis=1) <= end_s * (1 + 1e-9)).all()


def test_free_switching_changes_nothing() -> None:
    """Weights that come in no time are as good as weights that are there, whatever is resident."""
    free = tuple(replace(member, fetch_s=0.0) for member in shared().members)
    runs = [serve_models(shared(members=free, capacity_bytes=room), TRACE, KINDS) for room in (10.0, 20.0, 30.0)]
    for run in runs[1:]:
        assert np.array_equal(run.requests["done_s"], runs[0].requests["done_s"])


def test_dearer_switching_and_less_room_are_not_faster() -> None:
    def mean_s(**more: Any) -> float:
        run = serve_models(shared(**more), TRACE, KINDS)
        return float((run.requests["done_s"] - run.requests["arrival_s"]).mean())

    dear = tuple(replace(member, fetch_s=2.0) for member in shared().members)
    assert mean_s(members=dear) > mean_s() > mean_s(capacity_bytes=30.0)
    assert mean_s(ahead=True) < mean_s()


def test_alone_in_turn_a_request_waits_for_its_weights_and_nothing_else() -> None:
    """Requests far apart: the first token is late by the fetch where the model before was another."""
    apart = replace(TRACE, arrival_s=100.0 * np.arange(COUNT))
    kinds = np.arange(COUNT) % 2
    there = serve_models(Shared((replace(ONE, copies=2),), capacity_bytes=20.0), apart, kinds)
    switched = serve_models(Shared((replace(ONE, copies=2),), capacity_bytes=10.0), apart, kinds)
    late_s = switched.requests["first_token_s"] - there.requests["first_token_s"]
    assert late_s[1:] == pytest.approx(0.5, abs=1e-9) and late_s[0] == 0.0
    assert switched.models["fetches"].sum() == COUNT - 1


def test_a_job_has_what_is_left_and_a_full_step_has_none() -> None:
    """Steps beside the job last the limit; alone it has the chips; all of its time is in tokens."""
    kinds, job = np.zeros(COUNT, np.int64), Job("tune", 1e-3, 0.02)
    plain, found = (serve_models(Shared((ONE,), job=one), TRACE, kinds) for one in (None, job))
    end_s, own_s = found.replicas["now_s"].max(), plain.replicas["busy_s"].sum()
    assert found.groups["job_s"][0] == pytest.approx(1e-3 * found.groups["job_tokens"][0])
    assert 0.3 * end_s < found.groups["job_s"][0] < end_s and own_s > 0.0
    gaps_s = found.requests["done_s"] - found.requests["first_token_s"]
    assert (gaps_s >= (found.requests["output_tokens"] - 1) * 0.02 - 1e-9).all()
    short = serve_models(Shared((ONE,), job=replace(job, limit_s=1e-4)), TRACE, kinds)
    spans = [run.requests["done_s"] - run.requests["arrival_s"] for run in (short, plain)]
    assert spans[0].mean() == pytest.approx(spans[1].mean(), rel=0.01)
    few = serve_models(Shared((ONE,), job=replace(job, tokens=100.0)), TRACE, kinds)
    assert few.groups["job_tokens"][0] == pytest.approx(100.0)


@pytest.mark.parametrize("seed", range(3))
def test_random_fleets_lose_nothing(seed: int) -> None:
    """Little KV, little room for weights, short turns, placements, a job, drafts, open and closed loops."""
    random = np.random.default_rng(seed)

    def one(*choices: Any) -> Any:
        return choices[int(random.integers(len(choices)))]

    for _ in range(25):
        count, size = int(random.integers(1, 4)), int(random.integers(5, 80))
        members = tuple(
            replace(
                ONE,
                settings=replace(
                    HOW, kv_blocks=one(28, 40, 400), max_running=one(1, 4, 64), ahead=one(True, False),
                    reserve_output=one(True, False), draft_tokens=one(0, 0, 3), acceptance_ratio=0.5,
                ),
                weight_bytes=one(5.0, 10.0, 20.0), fetch_s=one(0.0, 0.01, 0.5), block_bytes=one(1.0, 2.5),
                copies=int(random.integers(1, 4)), placed=one(None, None, (0,), (count - 1,)),
            )
            for _ in range(int(random.integers(1, 4)))
        )  # fmt: skip
        fleet = Shared(
            members, count, one(20.0, 25.0, 60.0), one(0.0, 0.01, 0.3, np.inf), one("lru", "lfu", "static"),
            one(True, False), one(True, False), one(None, None, Job("tune", 1e-3, 0.05, one(np.inf, 500.0))),
        )  # fmt: skip
        trace = replace(TRACE.head(size), arrival_s=np.cumsum(random.exponential(one(0.001, 0.05, 0.5), size)))
        kinds = random.integers(0, len(fleet.owners), size)
        found = serve_models(fleet, trace, kinds, (), one(None, Clients(int(random.integers(1, 40)), 0.2)))
        assert not violations(found), fleet
