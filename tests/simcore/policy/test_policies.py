"""Every scheduler and every router obeys the invariants; a few do what they are for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simcore.engine.invariants import violations
from simcore.engine.metrics import as_streamed, by_group
from simcore.engine.serving import ServingRun, serve
from simcore.engine.settings import ReplicaSettings
from simcore.policy.cache import evictions
from simcore.policy.offload import Tier
from simcore.policy.router import routers
from simcore.policy.scheduler import schedulers
from simcore.spec.traffic import Slo, Trace
from tests.simcore.engine.physics import law

RANDOM = np.random.default_rng(5)
COUNT = 300
TRACE = Trace(
    np.cumsum(RANDOM.exponential(0.02, COUNT)),
    RANDOM.integers(1, 300, COUNT),
    RANDOM.integers(1, 60, COUNT),
    session=RANDOM.integers(0, 20, COUNT),
    priority=RANDOM.integers(0, 3, COUNT),
    slo_class=RANDOM.integers(0, 2, COUNT),
)
HOW = ReplicaSettings(kv_blocks=120, max_running=16, token_budget=512, whole_prompt=True)
SLOS = (Slo(ttft_s=0.5), Slo())


def run(scheduler: str, router: str = "round-robin", replicas: int = 1, **more: object) -> ServingRun:
    how = replace(HOW, scheduler=scheduler, **more)  # type: ignore[arg-type]
    return serve(TRACE, law(0.005, 1e-4, 1e-7), how, replicas=replicas, router=router, slos=SLOS)


@pytest.mark.parametrize("scheduler", schedulers.names())
def test_schedulers_obey_the_invariants(scheduler: str) -> None:
    assert violations(run(scheduler)) == []


@pytest.mark.parametrize("router", routers.names())
def test_routers_obey_the_invariants(router: str) -> None:
    done = run("chunked", router, replicas=3)
    assert violations(done) == []
    assert len(np.unique(done.requests["replica"])) == 3


def test_reserving_the_output_never_preempts() -> None:
    assert run("inflight").replicas["preemptions"][0] > 0
    reserved = run("inflight", reserve_output=True)
    assert reserved.replicas["preemptions"][0] == 0 and violations(reserved) == []


def test_a_static_batch_lets_nobody_join() -> None:
    rows = run("static", reserve_output=True).requests
    starts = np.unique(rows["scheduled_s"])
    ends = np.array([rows["done_s"][rows["scheduled_s"] == start].max() for start in starts])
    assert (starts[1:] >= ends[:-1] - 1e-9).all()


def test_dynamic_batching_waits_for_company() -> None:
    rows = run("static", batch_wait_s=0.3).requests
    assert rows["scheduled_s"][0] >= rows["arrival_s"][0] + 0.15


def test_priority_goes_first() -> None:
    rows = run("priority").requests
    waits = [(rows["first_token_s"] - rows["arrival_s"])[rows["priority"] == level].mean() for level in range(3)]
    assert waits[0] < waits[1] < waits[2]


def test_the_shortest_job_first_lowers_the_mean() -> None:
    waits = [np.mean(r.requests["done_s"] - r.requests["arrival_s"]) for r in (run("chunked"), run("shortest_job"))]
    assert waits[1] < waits[0]


def test_deadlines_are_met_more_often_when_they_order_the_queue() -> None:
    met = []
    for name in ("chunked", "earliest-deadline"):
        rows = run(name).requests
        urgent = rows["slo_class"] == 0
        met.append((rows["first_token_s"] <= rows["deadline_s"])[urgent].mean())
    assert met[1] > met[0]


def test_a_session_stays_on_its_replica() -> None:
    rows = run("chunked", "session", replicas=4).requests
    assert all(len(np.unique(rows["replica"][rows["session"] == s])) == 1 for s in range(20))


def test_informed_routers_wait_less_than_random() -> None:
    wait = {
        name: float(np.mean(r.requests["first_token_s"] - r.requests["arrival_s"]))
        for name in ("random", "power-of-two", "least-outstanding")
        for r in [run("chunked", name, replicas=3)]
    }
    assert wait["least-outstanding"] <= wait["power-of-two"] <= wait["random"]


@pytest.mark.parametrize("eviction", evictions.names())
def test_a_full_cache_forgets_and_stays_sound(eviction: str) -> None:
    groups = np.random.default_rng(9).integers(0, 12, COUNT)
    counts = TRACE.input_tokens // 16
    start = np.concatenate([[0], np.cumsum(counts)])
    hashes = np.concatenate([np.arange(n) + 100 * g for n, g in zip(counts, groups, strict=True)])
    shared = replace(TRACE, prefix_hashes=hashes, prefix_start=start, prefix_block_tokens=16)
    how = replace(HOW, hash_tokens=16, eviction=eviction, whole_prompt=False)
    done = serve(shared, law(0.005, 1e-4, 1e-7), how)
    assert violations(done) == []
    assert done.replicas["evictions"][0] > 0 and done.replicas["cached_tokens"][0] > 0


def test_classes_and_streams_are_told_apart() -> None:
    done = run("earliest-deadline")
    groups = by_group(done, "slo_class", SLOS)
    assert groups[0]["ttft_s"]["mean"] < groups[1]["ttft_s"]["mean"]
    assert sum(g["requests"] for g in groups.values()) == COUNT
    plain, streamed = as_streamed(done), as_streamed(done, stream_interval=20)
    assert (streamed["ttft_s"] >= plain["ttft_s"] - 1e-12).all()
    assert np.allclose(streamed["e2e_s"], plain["e2e_s"])


def test_a_tier_below_brings_prefixes_back() -> None:
    groups = np.random.default_rng(9).integers(0, 12, COUNT)
    counts = TRACE.input_tokens // 16
    start = np.concatenate([[0], np.cumsum(counts)])
    hashes = np.concatenate([np.arange(n) + 100 * g for n, g in zip(counts, groups, strict=True)])
    shared = replace(TRACE, prefix_hashes=hashes, prefix_start=start, prefix_block_tokens=16)
    how = replace(HOW, hash_tokens=16, whole_prompt=False)
    runs = [
        serve(shared, law(0.005, 1e-4, 1e-7), replace(how, tiers=(Tier("host", size, cost),)))
        for size, cost in ((0, 0.0), (20, 0.0), (10_000, 0.0), (10_000, 0.01))
    ]
    assert all(violations(run) == [] for run in runs)
    hits = [int(run.replicas["cached_tokens"][0]) for run in runs]
    assert hits[0] < hits[2] and hits[0] <= hits[1] <= hits[2]
    assert runs[1].replicas["tier_evictions"][0, 0] > 0 == runs[2].replicas["tier_evictions"][0, 0]
    assert runs[3].requests["done_s"].mean() > runs[2].requests["done_s"].mean()
