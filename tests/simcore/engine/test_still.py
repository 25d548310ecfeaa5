"""Fleets that nothing changes: compiled as under SimPy, ranks that step together, first tokens that are sent late."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simcore.engine.feedback import Clients, feedback_of
from simcore.engine.fleet import Fleet, FleetPlan, Pool, Transfer, serve_fleet
from simcore.engine.invariants import violations
from simcore.engine.settings import ReplicaSettings
from simcore.errors import InputError
from simcore.spec.traffic import Trace
from tests.simcore.engine.physics import law

RANDOM = np.random.default_rng(8)
COUNT = 200
OPEN = Trace(np.cumsum(RANDOM.exponential(0.02, COUNT)), RANDOM.integers(1, 300, COUNT), RANDOM.integers(1, 60, COUNT))
HOW = ReplicaSettings(kv_blocks=300, max_running=16, token_budget=512)
DECODE = replace(HOW, scheduler="decode-only", max_running=6)
TIMES, SHARED = law(0.005, 1e-4, 1e-7), law(0.002, 3e-5, 0.0)


def pools(ranks: int) -> tuple[Pool, Pool]:
    shared = {"ranks": ranks, "shared": SHARED, "padded_tokens": 64} if ranks > 1 else {}
    prefill = Pool("p", HOW, TIMES, 2, "prefill", **shared)  # type: ignore[arg-type]
    return prefill, Pool("d", DECODE, law(0.003, 2e-4, 2e-7), 2, "decode", **shared)  # type: ignore[arg-type]


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("clients", [None, Clients(40, 0.01)])
@pytest.mark.parametrize("first_token", ["prefill", "decode"])
def test_the_compiled_loop_says_what_simpy_says(ranks: int, clients: Clients | None, first_token: str) -> None:
    moves = Transfer(1e5, 1e10, latency_s=0.001, channels=2)
    plan = FleetPlan(pools(ranks), "least-outstanding", transfer=moves, first_token=first_token)  # type: ignore[arg-type]
    fast = serve_fleet(plan, OPEN, clients=clients)
    slow = Fleet(plan, OPEN, feedback=feedback_of(clients, OPEN, False)).run()
    assert violations(fast) == []
    assert np.array_equal(fast.requests["replica"], slow.requests["replica"])
    for name in ("arrival_s", "scheduled_s", "first_token_s", "done_s"):
        assert np.allclose(fast.requests[name], slow.requests[name], rtol=1e-12), name
    assert fast.replicas["energy_j"].sum() == pytest.approx(slow.replicas["energy_j"].sum())


def test_ranks_of_a_prefill_replica_wait_for_each_other_by_hand() -> None:
    """Two ranks, prompts of 100 and 40 tokens: the step is the longer rank's own part and the experts' for 140."""
    rows = Trace(np.zeros(2), np.array([100, 40]), np.array([1, 1]))
    apart = replace(pools(2)[0], count=1, padded_tokens=0)
    run = serve_fleet(FleetPlan((apart, pools(1)[1]), "least-outstanding", transfer=Transfer(1e5, 1e10)), rows)
    longer_s = 0.005 + 100 * 1e-4
    assert run.requests["done_s"] == pytest.approx([longer_s + 0.002 + 140 * 3e-5] * 2)


def test_a_decode_pool_that_sends_the_first_token_sends_it_when_it_has_room() -> None:
    """One slot: the second request's first token waits for the first one's end."""
    rows = Trace(np.zeros(2), np.array([50, 50]), np.array([20, 20]))
    decode = replace(pools(1)[1], count=1, settings=replace(DECODE, max_running=1))
    plan = FleetPlan((replace(pools(1)[0], count=1), decode), transfer=Transfer(1e5, 1e12), first_token="decode")
    run = serve_fleet(plan, rows)
    assert run.requests["first_token_s"][1] == run.requests["done_s"][0]
    early = serve_fleet(replace(plan, first_token="prefill"), rows)
    assert np.array_equal(early.requests["done_s"], run.requests["done_s"])
    assert early.requests["first_token_s"][1] < run.requests["first_token_s"][1]


def test_ranks_neither_fail_nor_run_under_a_power_policy() -> None:
    from simcore.engine.fleet import Failure

    with pytest.raises(InputError, match="ranks are simulated one by one neither fail"):
        serve_fleet(FleetPlan(pools(2), transfer=Transfer(1e5, 1e9), failures=(Failure(1.0, 0, 1.0),)), OPEN)
