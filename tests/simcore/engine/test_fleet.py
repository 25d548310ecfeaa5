"""Fleets under SimPy: equal to the compiled path where both apply; nothing is lost when replicas come and go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simcore.engine.fleet import Autoscale, Failure, FleetPlan, Pool, Roles, Transfer, serve_fleet
from simcore.engine.invariants import violations
from simcore.engine.serving import serve
from simcore.engine.settings import ReplicaSettings
from simcore.errors import InputError
from simcore.policy.records import DONE, REFUSED
from simcore.policy.roles import RoleLimits
from simcore.spec.traffic import Trace
from tests.simcore.engine.physics import law

RANDOM = np.random.default_rng(2)
COUNT = 300
TRACE = Trace(np.cumsum(RANDOM.exponential(0.02, COUNT)), RANDOM.integers(1, 300, COUNT), RANDOM.integers(1, 60, COUNT))
HOW = ReplicaSettings(kv_blocks=300, max_running=16, token_budget=512)
DECODE = replace(HOW, scheduler="decode-only")
TIMES = law(0.005, 1e-4, 1e-7)


def pool(count: int = 3, **more: object) -> Pool:
    return Pool("main", HOW, TIMES, count, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("router", ["round-robin", "least-outstanding", "shortest-queue", "power-of-two"])
def test_an_unchanging_fleet_equals_the_compiled_path(router: str) -> None:
    fleet = serve_fleet(FleetPlan((pool(),), router=router), TRACE)
    fast = serve(TRACE, TIMES, HOW, replicas=3, router=router)
    for name in ("replica", "scheduled_s", "first_token_s", "done_s"):
        assert np.array_equal(fleet.requests[name], fast.requests[name]), name


def test_a_failure_loses_nothing() -> None:
    plan = FleetPlan((pool(),), failures=(Failure(2.0, 1, 1.5), Failure(2.5, 0, 1.0), Failure(2.6, 2, 0.5)))
    run = serve_fleet(plan, TRACE)
    assert (run.requests["state"] == DONE).all()
    assert violations(run) == []
    calm = serve_fleet(FleetPlan((pool(),)), TRACE)
    assert run.requests["done_s"].mean() > calm.requests["done_s"].mean()


def test_disaggregation_pays_for_the_transfer() -> None:
    moves = [Transfer(1e5, rate, latency_s=0.001, channels=2) for rate in (1e12, 1e9)]
    waits = []
    for transfer in moves:
        pools = (Pool("p", HOW, TIMES, 2, "prefill"), Pool("d", DECODE, TIMES, 2, "decode"))
        run = serve_fleet(FleetPlan(pools, transfer=transfer), TRACE)
        assert violations(run) == []
        rows = run.requests
        assert (rows["generated_tokens"] == rows["output_tokens"]).all()
        waits.append((rows["done_s"] - rows["first_token_s"]).mean())
    assert waits[1] > waits[0]


def test_what_the_decode_pool_can_never_hold_is_refused_before_its_prefill() -> None:
    """Such a request was refused after its first token; where one of two pools can hold it, that pool gets it."""
    small, large = replace(DECODE, kv_blocks=10), replace(DECODE, kv_blocks=300)
    tokens = TRACE.input_tokens + TRACE.output_tokens
    for decode in ((small,), (small, large)):
        parts = (
            Pool("p", HOW, TIMES, 1, "prefill"),
            *(Pool(f"d{n}", how, TIMES, 1, "decode") for n, how in enumerate(decode)),
        )
        run = serve_fleet(FleetPlan(parts, transfer=Transfer(1e5, 1e12)), TRACE)
        assert violations(run) == []
        held = (tokens <= 10 * 16) | (TRACE.output_tokens == 1) | (len(decode) > 1)
        assert np.array_equal(run.requests["state"] == DONE, held)
        assert (run.requests["state"] == REFUSED).sum() == (~held).sum()


def test_one_request_through_disaggregation_by_hand() -> None:
    pools = (Pool("p", HOW, TIMES, 1, "prefill"), Pool("d", DECODE, TIMES, 1, "decode"))
    one = Trace(np.array([1.0]), np.array([100]), np.array([3]))
    run = serve_fleet(FleetPlan(pools, transfer=Transfer(1000.0, 1e6, latency_s=0.01)), one)
    prefill_s = 0.005 + 100 * 1e-4
    move_s = 0.01 + 100 * 1000.0 / 1e6
    decode_s = 2 * (0.005 + 1e-4) + (101 + 102) * 1e-7
    assert run.requests["first_token_s"][0] == pytest.approx(1.0 + prefill_s)
    assert run.requests["done_s"][0] == pytest.approx(1.0 + prefill_s + move_s + decode_s)


def test_autoscaling_adds_replicas_and_takes_them_away() -> None:
    rule = Autoscale("main", low=2, high=6, least=1, interval_s=0.25, cold_start_s=0.5)
    scaled = serve_fleet(FleetPlan((pool(started=1),), autoscale=rule), TRACE)
    alone = serve_fleet(FleetPlan((pool(1),)), TRACE)
    assert (scaled.requests["state"] == DONE).all()
    assert (scaled.replicas["finished"] > 0).sum() > 1
    assert scaled.requests["done_s"].mean() < alone.requests["done_s"].mean()


def test_unequal_pools_share_the_work() -> None:
    fast = Pool("fast", HOW, law(0.002, 4e-5, 4e-8), 1)
    run = serve_fleet(FleetPlan((fast, pool(1))), TRACE)
    assert run.replicas["finished"][0] > run.replicas["finished"][1] > 0
    assert violations(run) == []


def test_roles_must_fit_together() -> None:
    with pytest.raises(InputError, match="needs a decode pool"):
        serve_fleet(FleetPlan((Pool("p", HOW, TIMES, 1, "prefill"),)), TRACE)


def bursts() -> Trace:
    """Long prompts with short answers, then short prompts with long answers, twice."""
    random = np.random.default_rng(7)
    parts = []
    for phase in range(4):
        count = 330 if phase % 2 == 0 else 350
        size = (400, 900, 2, 8) if phase % 2 == 0 else (5, 20, 150, 250)
        arrival_s = 15.0 * phase + np.sort(random.uniform(0, 10.0, count))
        parts.append((arrival_s, random.integers(size[0], size[1], count), random.integers(size[2], size[3], count)))
    return Trace(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


ROLES = Roles(RoleLimits(4000, 500, 0.85, 0.5), interval_s=0.25, hold_s=1.0, switch_s=0.5)


def test_roles_follow_the_load() -> None:
    moves = Transfer(1e4, 1e10, channels=4)
    how = replace(HOW, kv_blocks=2000, max_running=16)
    pools = (Pool("p", how, TIMES, 2, "prefill"), Pool("d", replace(how, scheduler="decode-only"), TIMES, 2, "decode"))
    fixed, moving = (serve_fleet(FleetPlan(pools, transfer=moves, roles=r), bursts()) for r in (None, ROLES))
    assert violations(moving) == violations(fixed) == []
    assert (moving.requests["state"] == DONE).all()
    assert {role for _, _, role in moving.switches} == {"prefill", "decode"}
    assert np.diff([at_s for at_s, _, _ in moving.switches]).min() >= 1.0
    assert moving.requests["done_s"].mean() < fixed.requests["done_s"].mean()
    again = serve_fleet(FleetPlan(pools, transfer=moves, roles=ROLES), bursts())
    assert again.requests.tobytes() == moving.requests.tobytes() and again.switches == moving.switches


def test_roles_that_never_switch_change_nothing() -> None:
    calm = replace(ROLES, limits=RoleLimits(1e12, 1.0, 1e9, 0.5))
    pools = (Pool("p", HOW, TIMES, 2, "prefill"), Pool("d", DECODE, TIMES, 2, "decode"))
    moves = Transfer(1e5, 1e9, latency_s=0.001, channels=2)
    for router in ("least-outstanding", "shortest-queue", "slo-aware", "prefix-aware"):
        fixed, calmed = (
            serve_fleet(FleetPlan(pools, router=router, transfer=moves, roles=r), TRACE) for r in (None, calm)
        )
        assert calmed.switches == ()
        for name in ("replica", "scheduled_s", "first_token_s", "done_s"):
            assert np.array_equal(fixed.requests[name], calmed.requests[name]), (router, name)


def test_a_failing_replica_does_not_lose_requests_while_roles_change() -> None:
    how = replace(HOW, kv_blocks=2000, max_running=16)
    pools = (Pool("p", how, TIMES, 2, "prefill"), Pool("d", replace(how, scheduler="decode-only"), TIMES, 2, "decode"))
    falls = tuple(Failure(2.0 + 4.0 * k, k % 4, 2.0) for k in range(12))
    run = serve_fleet(FleetPlan(pools, transfer=Transfer(1e4, 1e10), roles=ROLES, failures=falls), bursts())
    assert violations(run) == [] and (run.requests["state"] == DONE).all()
    assert run.switches


def test_roles_need_two_pools_and_thresholds_in_order() -> None:
    with pytest.raises(InputError, match="one prefill and one decode"):
        serve_fleet(FleetPlan((pool(),), roles=ROLES), TRACE)
    with pytest.raises(InputError, match="low_queue_tokens must lie below"):
        RoleLimits(100, 200)
