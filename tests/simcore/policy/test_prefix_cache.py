"""Prefix caches and the tiers below: hand-worked hits, a tree that stays whole, links that carry what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simcore.engine.feedback import Clients
from simcore.engine.fleet import Fleet, FleetPlan, Pool, serve_fleet
from simcore.engine.invariants import violations
from simcore.engine.metrics import summary
from simcore.engine.serving import ServingRun, serve
from simcore.engine.settings import ReplicaSettings
from simcore.errors import InputError
from simcore.policy.offload import Tier, offloads
from simcore.spec.traffic import Trace
from tests.shared import shared
from tests.simcore.engine.physics import law, steps
from workloads import generate
from workloads.traces import read_trace

HOW = ReplicaSettings(hash_tokens=16, whole_prompt=False)
TIMES = law(0.005, 1e-4, 1e-7)
FIRST = generate.generate(120, generate.poisson(6.0), generate.uniform_range((40, 200), (10, 60)), seed=1)
SESSIONS = generate.sessions(FIRST, 4, 1.0, 0.01, copies=2, answers=True)
SMALL = replace(HOW, kv_blocks=260, max_running=12, token_budget=512)


def requests(arrivals: list[float], chains: list[list[int]], tail: int = 8, outputs: int = 2) -> Trace:
    """Requests whose prompts are these chains of blocks of 16 tokens and a tail of their own."""
    start = np.concatenate([[0], np.cumsum([len(chain) for chain in chains])])
    inputs = np.array([16 * len(chain) + tail for chain in chains])
    flat = np.array([block for chain in chains for block in chain])
    rows = Trace(np.array(arrivals), inputs, np.full(len(inputs), outputs))
    return replace(rows, prefix_hashes=flat, prefix_start=start, prefix_block_tokens=16)


def cached(trace: Trace, how: ReplicaSettings, step_s: float = 1.0) -> list[int]:
    run = serve(trace, steps(step_s=step_s), how)
    assert violations(run) == []
    return [int(value) for value in run.requests["cached_tokens"]]


CHAINS = [[1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 3, 5], [1, 6], [7]]


@pytest.mark.parametrize("radix", [False, True])
def test_hits_of_requests_one_after_the_other(radix: bool) -> None:
    assert cached(requests([0, 10, 20, 30, 40], CHAINS), replace(HOW, radix=radix)) == [0, 48, 64, 16, 0]


def test_a_second_copy_hides_what_follows_it_unless_the_tree_takes_it() -> None:
    together = requests([0, 0, 20, 30, 40], CHAINS)
    assert cached(together, HOW) == [0, 0, 48, 16, 0]
    assert cached(together, replace(HOW, radix=True)) == [0, 0, 64, 16, 0]


def test_the_tree_gives_second_copies_back() -> None:
    twins = requests([0.0, 0.0], [[1, 2, 3, 4], [1, 2, 3, 4]], outputs=4)
    used = []
    for radix in (False, True):
        run = serve(twins, steps(step_s=1.0), replace(HOW, kv_blocks=100, radix=radix))
        used.append(run.replicas[0]["kv_block_s"][2])
    assert used == [10.0, 6.0]


@pytest.mark.parametrize("radix", [False, True])
@pytest.mark.parametrize("eviction", ["lru", "lfu"])
@pytest.mark.parametrize("offload", ["none", "cascade"])
def test_leaves_are_forgotten_before_their_parents(radix: bool, eviction: str, offload: str) -> None:
    tiers = (Tier("host", 10_000, 1e-4),)
    how = replace(SMALL, radix=radix, eviction=eviction, offload=offload, tiers=tiers)
    fleet = Fleet(FleetPlan((Pool("main", how, TIMES, 1),)), SESSIONS)
    run = fleet.run()
    assert violations(run) == [] and run.replicas["evictions"][0] > 100
    resident = fleet.caches["resident"][: fleet.entries]
    for row in fleet.requests:
        chain = fleet.hashes[row["first_hash"] : row["first_hash"] + row["hash_count"]]
        assert (np.diff(resident[chain]) <= 0).all()


def test_token_granularity_is_a_block_of_one() -> None:
    how = ReplicaSettings(hash_tokens=1, block_tokens=1, radix=True)
    rows = Trace(np.array([0.0, 10.0]), np.array([10, 12]), np.array([2, 2]))
    flat = np.array([*range(10), *range(7), *range(100, 105)])
    rows = replace(rows, prefix_hashes=flat, prefix_start=np.array([0, 10, 22]), prefix_block_tokens=1)
    assert cached(rows, how) == [0, 7]


@pytest.mark.parametrize("kv_blocks", [20_000, 60_000])
def test_on_a_real_trace_the_tree_hits_at_least_as_often(kv_blocks: int) -> None:
    trace = read_trace(shared("traces/mooncake_conversation.jsonl")).head(4000).scaled(rate_ratio=0.6)
    hits = []
    for radix in (False, True):
        how = replace(HOW, hash_tokens=512, kv_blocks=kv_blocks, max_running=128, radix=radix, scheduler="sglang")
        run = serve(trace, law(0.008, 2e-5, 1e-8), how, replicas=2)
        assert violations(run) == []
        hits.append(int(run.replicas["cached_tokens"].sum()))
    assert hits[1] >= hits[0] > 1_000_000


# tiers

FULL = replace(HOW, kv_blocks=6)
"""room for one request of four hashes and its tail, and no other's prefix"""
BACK = [[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4]]


def ttft_s(run: ServingRun) -> list[float]:
    return [float(v) for v in run.requests["first_token_s"] - run.requests["arrival_s"]]


def test_a_fetch_is_waited_for_by_hand() -> None:
    tier = Tier("host", 100, read_s_per_hash=0.25, latency_s=0.5)
    trace = requests([0, 10, 20], BACK)
    run = serve(trace, steps(step_s=1.0), replace(FULL, tiers=(tier,)))
    assert violations(run) == []
    assert list(run.requests["cached_tokens"]) == [0, 0, 64]
    assert ttft_s(run)[2] == pytest.approx(1.0 + 0.5 + run.replicas["tier_hits"][0, 0] * 0.25)
    found = summary(run)["tiers"]["host"]
    assert found["hit_tokens"] == 16 * run.replicas["tier_hits"][0, 0] > 0
    assert found["waited_s"] == pytest.approx(ttft_s(run)[2] - 1.0)
    none = serve(trace, steps(step_s=1.0), replace(FULL, tiers=(tier,), offload="none"))
    assert none.requests["cached_tokens"][2] < 64 and none.replicas["tier_writes"].sum() == 0


def test_a_cascade_demotes_and_a_slow_write_is_no_hit() -> None:
    tiers = (Tier("host", 1), Tier("ssd", 100, read_s_per_hash=0.5))
    run = serve(requests([0, 10, 20], BACK), steps(step_s=1.0), replace(FULL, tiers=tiers))
    hits = run.replicas["tier_hits"][0]
    assert (hits[0], hits[1]) == (1, 2)
    slow = replace(tiers[1], write_s_per_hash=100.0)
    late = serve(requests([0, 10, 20], BACK), steps(step_s=1.0), replace(FULL, tiers=(tiers[0], slow)))
    assert late.replicas["tier_hits"][0, 1] == 0 and late.requests["cached_tokens"][2] < 64


def test_a_shared_pool_serves_the_other_replica_and_its_link_is_one() -> None:
    pool = Tier("pool", 100, read_s_per_hash=0.25, shared=True)
    how = replace(HOW, tiers=(pool,), offload="write-through")
    chains = [[1, 2, 3, 4], [9], [10], [1, 2, 3, 4]]
    run = serve(requests([0, 10, 20, 30], chains), steps(step_s=1.0), how, replicas=2, router="round-robin")
    assert violations(run) == []
    assert run.requests["replica"][3] == 1 and run.requests["cached_tokens"][3] == 64
    assert ttft_s(run)[3] == pytest.approx(1.0 + 4 * 0.25)
    both = requests([0, 10, 20, 20], [[1, 2, 3, 4], [5], [1, 2, 3, 4], [1, 2, 3, 4]])
    alone = replace(how, kv_blocks=8)
    run = serve(both, steps(step_s=1.0), alone, replicas=3, router="round-robin")
    assert list(run.requests["replica"]) == [0, 1, 2, 0]
    assert ttft_s(run)[2] == pytest.approx(2.0)
    third = requests([0, 20, 20], [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]])
    run = serve(third, steps(step_s=1.0), how, replicas=3, router="round-robin")
    assert ttft_s(run)[1:] == pytest.approx([2.0, 3.0])


@pytest.mark.parametrize("offload", offloads.names())
@pytest.mark.parametrize("radix", [False, True])
def test_every_offload_policy_obeys_the_invariants(offload: str, radix: bool) -> None:
    tiers = (
        Tier("host", 60, 1e-4, 1e-4),
        Tier("pool", 400, 5e-4, 5e-4, 1e-3, shared=True),
        Tier("ssd", 900, 2e-3, 4e-3),
    )
    how = replace(SMALL, radix=radix, tiers=tiers, offload=offload)
    run = serve(SESSIONS, TIMES, how, replicas=2, router="prefix-aware")
    assert violations(run) == []
    hits = run.replicas["tier_hits"].sum(axis=0)
    assert (hits.sum() == 0) if offload == "none" else (hits[0] > 0 and hits[1] > 0)
    again = serve(SESSIONS, TIMES, how, replicas=2, router="prefix-aware")
    assert again.requests.tobytes() == run.requests.tobytes()


def test_deeper_tiers_only_add_hits() -> None:
    sizes = [(), (Tier("host", 50),), (Tier("host", 50), Tier("ssd", 10_000))]
    hits = [int(serve(SESSIONS, TIMES, replace(SMALL, tiers=t)).replicas["cached_tokens"].sum()) for t in sizes]
    assert hits[0] < hits[1] < hits[2]


def test_tiers_in_a_closed_loop_keep_the_bytes_of_the_compiled_path() -> None:
    from simcore.engine.serving import serve_clients

    how = replace(SMALL, radix=True, tiers=(Tier("host", 100, 1e-3, 1e-3, 1e-3),))
    fleet = serve_fleet(FleetPlan((Pool("main", how, TIMES, 1),)), SESSIONS, clients=Clients(10, 0.05))
    fast = serve_clients(SESSIONS, TIMES, how, Clients(10, 0.05))
    assert fleet.requests.tobytes() == fast.requests.tobytes()


def test_impossible_tiers_are_refused() -> None:
    with pytest.raises(InputError, match="without a prefix cache"):
        ReplicaSettings(tiers=(Tier("host", 1),))
    with pytest.raises(InputError, match="negative"):
        Tier("host", -1)
    ways = [replace(SMALL, tiers=(Tier("pool", size, shared=True),)) for size in (10, 20)]
    with pytest.raises(InputError, match="two ways"):
        Fleet(FleetPlan((Pool("a", ways[0], TIMES, 1), Pool("b", ways[1], TIMES, 1))), SESSIONS)
