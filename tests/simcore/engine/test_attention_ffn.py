"""Attention/FFN disaggregation: the pipeline against a simulated one, links by hand, limits that must hold."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardware_specs
import workloads
from simcore.cost.machine import machine_of
from simcore.cost.roofline import Roofline
from simcore.engine.attention_ffn import AttentionFfn, Group, PoolLink, attention_ffn_step_times, pipeline_s
from simcore.engine.invariants import violations
from simcore.engine.serving import serve
from simcore.engine.settings import ReplicaSettings
from simcore.ops.op import StepColumns, plan_columns
from simcore.spec.plan import ParallelPlan
from simcore.spec.policy import ServingPolicy
from simcore.spec.traffic import Trace
from simcore.step.price import Physics
from simcore.step.times import SampleRange
from simcore.step.totals import step_total

FREE = PoolLink(np.inf, np.inf)
BATCH, KV = np.array([1.0, 7.0, 64.0, 300.0]), np.array([500.0, 2000.0, 1000.0, 4000.0])


def side(model: str = "llama-3.1-8b", system: str = "h100-sxm", **degrees: int) -> tuple[Physics, object]:
    plan = ParallelPlan(**degrees)
    machine = machine_of(hardware_specs.system(system), *plan.formats()[:3], ServingPolicy())
    return Physics(workloads.model(model), machine, Roofline(), 1.0), plan_columns(plan, {})


def pools(link: PoolLink = FREE, replicas: int = 1, microbatches: int = 1, model: str = "llama-3.1-8b") -> AttentionFfn:
    ffn = {"tp": 2, "ep": 2} if model.startswith("mixtral") else {}
    return AttentionFfn(*side(model), replicas, *side(model, **ffn), link, microbatches)  # type: ignore[arg-type]


def simulated_s(stages: list[float], layers: int, microbatches: int) -> float:
    """First come, first served through four machines, `layers` times round."""
    free = [0.0] * len(stages)
    ready = [0.0] * microbatches
    for _ in range(layers):
        for job in range(microbatches):
            for machine, length in enumerate(stages):
                start = max(free[machine], ready[job])
                free[machine] = ready[job] = start + length
    return max(ready)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0.0, 5.0), min_size=4, max_size=4),
    st.integers(1, 6),
    st.integers(1, 5),
)
def test_the_equation_is_the_makespan(stages: list[float], layers: int, microbatches: int) -> None:
    found = pipeline_s(np.array(stages)[:, None], layers, microbatches)[0]
    assert found == pytest.approx(simulated_s(stages, layers, microbatches), abs=1e-9)


def test_ping_pong_by_hand() -> None:
    balanced = np.array([[2.0], [0.5], [2.0], [0.5]])
    assert pipeline_s(balanced, 10, 1)[0] == 50.0
    assert pipeline_s(balanced, 10, 2)[0] == 52.0
    assert pipeline_s(balanced, 10, 3)[0] == 9 * 6 + 2 * 2 + 5
    no_link = np.array([[2.0], [0.0], [2.0], [0.0]])
    assert pipeline_s(no_link, 10, 1)[0] == 40.0
    assert pipeline_s(no_link, 10, 2)[0] == 42.0


def test_one_replica_and_a_free_link_are_the_whole_model() -> None:
    group = Group(pools(), graphs=False)
    physics, plan = side()
    whole = step_total(physics, plan, StepColumns(decode_sequences=BATCH, kv_tokens=KV), False)  # type: ignore[arg-type]
    assert group.decode_s(BATCH, KV) + group.head_s(BATCH) == pytest.approx(whole.time_s, rel=1e-9)


@pytest.mark.parametrize("model", ["llama-3.1-8b", "mixtral-8x7b"])
@pytest.mark.parametrize("microbatches", [1, 2, 4])
def test_a_free_link_is_no_worse_than_one_side_after_the_other(model: str, microbatches: int) -> None:
    group = Group(pools(replicas=4, microbatches=microbatches, model=model), graphs=False)
    each = np.ceil(BATCH / 4)
    attention = group.attention_cost(StepColumns(decode_sequences=each, kv_tokens=KV), len(KV), False).time_s
    ffn = group.ffn_cost(BATCH, False).time_s
    step_s = group.decode_s(BATCH, KV)
    assert (step_s <= (attention + ffn) * (1 + 1e-9)).all()
    assert (step_s >= np.minimum(attention, ffn) * (1 - 1e-9)).all()


def test_ping_pong_hides_the_link_when_times_allow() -> None:
    slow = PoolLink(50e9, 400e9, 20e-6)
    wide = (np.array([512.0]), np.array([8000.0]))
    bare, linked = (Group(pools(link, 8, 1), False).decode_s(*wide)[0] for link in (FREE, slow))
    hidden = Group(pools(slow, 8, 3), False).decode_s(*wide)[0]
    assert linked > bare and hidden < linked


def test_worse_links_are_never_faster_and_more_microbatches_never_slower() -> None:
    times = [
        Group(pools(PoolLink(rate, rate, latency), 4, 2), False).decode_s(BATCH, KV)
        for rate, latency in ((1e15, 0.0), (1e11, 0.0), (1e11, 1e-5), (1e10, 1e-5))
    ]
    assert all((later >= earlier).all() for earlier, later in itertools.pairwise(times))
    more = [Group(pools(PoolLink(5e10, 5e10, 5e-6), 4, m), False).decode_s(BATCH, KV) for m in (1, 2, 3)]
    assert all((later <= earlier).all() for earlier, later in itertools.pairwise(more))


def test_the_link_by_hand() -> None:
    group = Group(pools(PoolLink(1e9, 4e9, 1e-3), replicas=4), False)
    there_s, back_s = group.link_s(np.array([10.0]), np.array([40.0]))
    assert there_s[0] == back_s[0] == pytest.approx(1e-3 + max(10 / 1e9, 40 / 4e9) * 4096 * 2)
    experts = Group(pools(PoolLink(1e9, 1e9), replicas=4, model="mixtral-8x7b"), False)
    copies = 2 * (1 - 0.5**2)
    assert experts.link_s(np.array([10.0]), np.array([40.0]))[0][0] == pytest.approx(40 / 2e9 * 4096 * 2 * copies)


def test_more_replicas_share_the_weights_of_the_experts() -> None:
    """Eight attention replicas feed one FFN pool with wide matrices: per token it works less than for one."""
    one, eight = (Group(pools(replicas=count, model="mixtral-8x7b"), False) for count in (1, 8))
    assert eight.ffn_cost(np.array([256.0]), False).time_s[0] < 8 * one.ffn_cost(np.array([32.0]), False).time_s[0]


def test_the_event_engine_serves_a_group() -> None:
    group = pools(PoolLink(5e10, 5e10, 5e-6), replicas=2, microbatches=2)
    times = attention_ffn_step_times(group, reach=SampleRange(tokens=4096, past_tokens=8192, decodes=64))
    random = np.random.default_rng(3)
    trace = Trace(np.cumsum(random.exponential(0.05, 200)), random.integers(10, 600, 200), random.integers(2, 80, 200))
    run = serve(trace, times, ReplicaSettings(kv_blocks=4000, max_running=128, token_budget=512))
    assert violations(run) == [] and run.replicas["energy_j"][0] > 0
    alone = Trace(np.array([0.0]), np.array([1000]), np.array([65]))
    done = serve(alone, times, ReplicaSettings(kv_blocks=4000))
    exact = Group(group, True)
    kv = 1000.0 + np.arange(1, 65)
    expected_s = exact.decode_s(np.ones(64), kv).sum() + exact.head_s(np.ones(64)).sum()
    assert done.requests["done_s"][0] - done.requests["first_token_s"][0] == pytest.approx(expected_s, rel=0.01)


def test_slow_memory_of_the_ffn_chips_slows_the_group() -> None:
    fast, slow = pools(replicas=4), pools(replicas=4)
    machine = replace(slow.ffn.machine, memory_bytes_per_s=slow.ffn.machine.memory_bytes_per_s / 4)
    slow = replace(slow, ffn=replace(slow.ffn, machine=machine))
    assert (Group(slow, False).decode_s(BATCH, KV) > Group(fast, False).decode_s(BATCH, KV)).all()
