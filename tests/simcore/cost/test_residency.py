"""Tensors outside the main tier: exact streams, shares, room, writes, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simcore
from simcore.cost.residency import stream_of
from simcore.cost.storage import (
    link_bytes_per_s,
    own_read_bytes_per_s,
    stripes,
    tier_bytes,
    tier_latency_s,
    tier_read_bytes_per_s,
    tier_write_bytes_per_s,
)
from simcore.engine.tasks.graph import Task, Tasks
from simcore.engine.tasks.run import run
from simcore.errors import InputError
from simcore.result import DoesNotFit

times = st.floats(0.01, 10.0)
AHEAD = {"tier": "cxl", "fetch": "prefetch"}


@given(
    st.integers(1, 12),
    times,
    times,
    st.sampled_from(["step", "prefetch", "window", "demand"]),
    st.sampled_from([0.0, 0.3]),
)
@settings(max_examples=60, deadline=None)
def test_streams_are_those_of_the_task_engine(
    layers: int, own_s: float, copy_s: float, fetch: str, latency_s: float
) -> None:
    """Without contention; the tier's latency is paid once ahead, and by every layer on demand."""
    tasks = Tasks({"link": 1.0}, {"gpu": 1, "copy": 1})
    done: list[int] = []
    first = tasks.add(Task(0.0, latency_s=latency_s if fetch != "demand" else 0.0))
    for layer in range(layers):
        room = (done[-1],) if fetch == "demand" and done else (done[layer - 2],) if layer > 1 else ()
        wait_s = latency_s if fetch == "demand" else 0.0
        copy = tasks.add(Task(copy_s, (("link", 1.0),), (first, *room), "copy", latency_s=wait_s))
        done.append(tasks.add(Task(own_s, (), (copy,), "gpu", 1.0)))
    told = stream_of(layers * copy_s, layers, latency_s, fetch).over(layers * own_s)
    assert run(tasks.graph()).makespan_s == pytest.approx(float(told), rel=1e-9)


def asked(residency: dict[str, Any], model: str = "llama-3.1-70b", **more: Any) -> Any:
    traffic = {"input_tokens": 500, "output_tokens": 20, "batch": 1, "requests": 4}
    return simcore.scenario(
        model, "dgx-h100-cxl", **{"stack": "datasheet", "tp": 4} | more, traffic=traffic, residency=residency
    )


def test_a_smaller_share_streams_less_and_leaves_less_room() -> None:
    whole, half, none = (
        simcore.estimate(asked(r)) for r in ({"weights": "dram"}, {"weights": {"tier": "dram", "share": 0.5}}, {})
    )
    assert whole.decode_step_s > half.decode_step_s > none.decode_step_s
    assert whole.values["kv_tokens"] > half.values["kv_tokens"] > none.values["kv_tokens"]


def test_one_layer_ahead_is_exact_and_demand_hides_nothing() -> None:
    plain, ahead, demand = (
        simcore.estimate(asked(r)) for r in ({}, {"weights": "dram"}, {"weights": {"tier": "dram", "fetch": "demand"}})
    )
    system = simcore.resolve("system", "dgx-h100-cxl")
    own_s, stream_s = plain.decode_step_s, plain.weights_bytes / tier_read_bytes_per_s(system, "dram")
    latency_s = ahead.decode_step_s - max(own_s + stream_s / 80, stream_s + own_s / 80)
    assert 0.0 <= latency_s < 1e-5
    assert demand.decode_step_s == pytest.approx(own_s + stream_s + 80 * latency_s, rel=1e-9)


def test_the_main_tier_by_its_own_name_is_the_main_tier() -> None:
    named = simcore.estimate(asked({"weights": "hbm", "experts": "hbm", "kv": "hbm"})).values
    plain = simcore.estimate(asked({})).values
    assert all(named[name] == plain[name] for name in ("kv_tokens", "need_bytes", "decode_step_s"))


def test_experts_alone_elsewhere() -> None:
    base = {"model": "mixtral-8x7b", "tp": 2}
    experts, whole, none = (simcore.estimate(asked(r, **base)) for r in ({"experts": "dram"}, {"weights": "dram"}, {}))
    assert none.decode_step_s < experts.decode_step_s < whole.decode_step_s
    assert simcore.estimate(asked({"experts": "dram"})).decode_step_s == simcore.estimate(asked({})).decode_step_s


@pytest.mark.parametrize(
    "residency",
    [{"weights": {"tier": "dram", "fetch": "demand", "share": 0.3}}, {"weights": {"tier": "cxl", "share": 0.8}}],
)
def test_both_engines_say_the_same(residency: dict[str, Any]) -> None:
    question = asked(residency)
    estimated, simulated = simcore.estimate(question), simcore.simulate(question)
    assert simulated.flat["tpot_mean_s"] == pytest.approx(estimated.tpot_s, rel=0.02)


@pytest.mark.parametrize("residency", [{"weights": "cxl"}, {"weights": "cxl", "kv": "cxl"}, {"kv": "cxl"}])
def test_what_fits_no_tier_is_a_typed_answer(residency: dict[str, str]) -> None:
    question = asked(residency).set({"hardware.node.memory.cxl.capacity": "1 MB"})
    for found in (simcore.estimate(question), simcore.simulate(question).result):
        assert isinstance(found.infeasible, DoesNotFit)
        assert found.infeasible.need_bytes > found.infeasible.have_bytes
        assert found.infeasible.tier == "cxl"


@pytest.mark.parametrize("stack", ["roofline", "datasheet", "vllm"])
def test_slow_writes_of_kv_are_slower(stack: str) -> None:
    """A hundredth of the write bandwidth."""
    fast = asked({"kv": "cxl"}, stack=stack)
    rate = tier_write_bytes_per_s(simcore.resolve("system", "dgx-h100-cxl"), "cxl") * 8 / 100
    slow = fast.set({"hardware.node.memory.cxl.write_bandwidth": f"{rate / 1e9} GB/s"})
    assert simcore.estimate(slow).decode_step_s > simcore.estimate(fast).decode_step_s
    assert simcore.estimate(slow).ttft_s > simcore.estimate(fast).ttft_s


def test_kv_a_layer_ahead_is_exact() -> None:
    """Attention then reads the main tier: the step is max(own + K / B / L, K / B + own / L)."""
    question = asked({}).set({"traffic.input_tokens": 8000, "traffic.batch": 16, "plan.tp": 8})
    plain, ahead = (simcore.estimate(q) for q in (question, question.set({"residency.kv": AHEAD})))
    rate = tier_read_bytes_per_s(simcore.resolve("system", "dgx-h100-cxl"), "cxl")
    read = next(op for op in plain.operations if op.name == "attention_decode").moved_bytes
    own_s, stream_s = plain.decode_step_s, read / rate
    assert ahead.decode_step_s == pytest.approx(max(own_s + stream_s / 80, stream_s + own_s / 80), rel=2e-3)
    assert ahead.decode_step_s < simcore.estimate(question.set({"residency.kv": "cxl"})).decode_step_s
    assert ahead.values["need_bytes"] > simcore.estimate(question.set({"residency.kv": "cxl"})).values["need_bytes"]


def test_few_accesses_under_way_bound_a_tier() -> None:
    """64 of 4 KiB, each for 80 us: 3.3 GB/s of the node, an eighth for each chip."""
    system = simcore.resolve("system", "dgx-h100-cxl")
    assert system.node is not None
    nvme = system.node.memory["nvme"]
    shallow = nvme.replace(queue_depth=64, granularity_bytes=4096.0, latency_s=80e-6)
    changed = system.replace(node=system.node.replace(memory={**system.node.memory, "nvme": shallow}))
    assert tier_read_bytes_per_s(changed, "nvme") == pytest.approx(64 * 4096 / 80e-6 / 8)
    assert tier_read_bytes_per_s(changed, "nvme") < tier_read_bytes_per_s(system, "nvme") < np.inf


@pytest.mark.parametrize(
    ("residency", "words"),
    [
        ({"optimizer": "dram"}, "residency.optimizer: is no class of serving"),
        ({"kv": {"tier": "cxl", "share": 0.5}}, "residency.kv: lives in one tier, all of it"),
        ({"kv": {"tier": "cxl", "fetch": "resident"}}, "residency.kv: lives in one tier"),
        ({"weights": {"tier": "dram", "fetch": "resident"}}, "residency.weights: is resident in the main tier only"),
        ({"weights": {"tier": "dram", "fetch": "demand"}, "experts": "cxl"}, "residency.experts.fetch: is fetched as"),
        ({"weights": "tape"}, "tape"),
    ],
)
def test_what_serving_lacks_is_refused_by_name(residency: dict[str, Any], words: str) -> None:
    for verb in (simcore.estimate, simcore.simulate):
        with pytest.raises(InputError, match=words):
            verb(asked(residency))


def test_experts_that_routers_ask_for() -> None:
    """Gated: own step, then behind every router the touched experts that the main tier lacks, latency each time."""
    base = {"model": "mixtral-8x7b", "tp": 2}

    def step_s(**place: Any) -> float:
        return float(simcore.estimate(asked({"experts": {"tier": "dram", **place}}, **base)).decode_step_s)

    own_s = simcore.estimate(asked({}, **base)).decode_step_s
    system, model = simcore.resolve("system", "dgx-h100-cxl"), simcore.resolve("model", "mixtral-8x7b")
    asked_bytes = 2 * 32 * 2 * 3 * 4096 * 14336 / 2  # chosen experts, layers, bytes, matrices, over tp
    stream_s = asked_bytes / tier_read_bytes_per_s(system, "dram")
    gated, ahead = step_s(fetch="gated"), step_s(fetch="pre-gated")
    assert gated == pytest.approx(own_s + stream_s, rel=1e-3) and model.layer_count == 32
    assert ahead == pytest.approx(max(own_s + stream_s / 32, stream_s + own_s / 32), rel=1e-3)
    half = step_s(fetch="gated", share=0.5)
    assert half == pytest.approx(own_s + stream_s / 2, rel=1e-3)
    assert step_s(fetch="gated", share=0.5, cache="lru", repeat_ratio=0.5) < half < step_s(fetch="demand", share=0.5)


@pytest.mark.parametrize(
    ("residency", "says"),
    [
        ({"weights": {"tier": "dram", "fetch": "gated"}}, "residency.weights.fetch: is for experts"),
        ({"experts": {"tier": "dram", "cache": "lru"}}, "residency.experts.cache: is for experts that routers ask for"),
    ],
)
def test_rules_of_routed_experts_are_for_them(residency: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        simcore.estimate(asked(residency, model="mixtral-8x7b", tp=2))


GATED = {"tier": "dram", "fetch": "gated", "share": 0.5, "cache": "lru", "repeat_ratio": 0.4}
AHEAD_OF_ALL = {"weights": "dram", "experts": {"tier": "cxl", "fetch": "pre-gated"}, "kv": AHEAD}
"""all three streams in a step"""


@pytest.mark.parametrize(
    ("stack", "residency"),
    [
        ("datasheet", {"kv": AHEAD}),
        ("vllm", {"experts": GATED}),
        ("roofline", {"experts": {"tier": "dram", "fetch": "pre-gated", "share": 0.5}}),
        ("datasheet", {"weights": "dram", "experts": {"tier": "dram", "fetch": "gated"}}),
        ("vllm", AHEAD_OF_ALL),
    ],
)
def test_both_engines_wait_for_the_same_experts_and_kv(stack: str, residency: dict[str, Any]) -> None:
    """Of one request at a time; joules come from the same steps, so that mean power lies together too."""
    question = asked(residency, model="mixtral-8x7b", tp=2, stack=stack).set({"traffic.input_tokens": 2000})
    told, seen = simcore.estimate(question), simcore.simulate(question).flat
    assert seen["tpot_mean_s"] == pytest.approx(told.tpot_s, rel=0.02)
    assert seen["ttft_mean_s"] == pytest.approx(told.ttft_s, rel=0.02)
    assert seen["chip_power_w"] == pytest.approx(told.values["chip_power_w"], rel=0.05)


def test_a_faster_tier_brings_kv_sooner_under_load() -> None:
    """Many requests at once in the event engine: chunks beside decodes, each with its own KV."""
    traffic = {"batch": None, "input_tokens": 4000, "output_tokens": 30, "requests": 40, "rate_per_s": 4.0}
    question = asked({"kv": AHEAD}, tp=8).set({"traffic": {k: v for k, v in traffic.items() if v is not None}})
    fast = question.set({"hardware.node.memory.cxl.read_bandwidth": "2 TB/s"})
    slow_s, fast_s = (simcore.simulate(q).flat["e2e_mean_s"] for q in (question, fast))
    assert fast_s < 0.9 * slow_s


def test_experts_on_the_host_wait_for_its_memory_and_their_tokens() -> None:
    """Own step without the experts' part, then max(bytes / B, flop / F) on the host and hidden states over the link."""
    base = {"model": "mixtral-8x7b", "tp": 2, "stack": "roofline"}
    place = {"tier": "dram", "fetch": "host"}
    plain, told = (simcore.estimate(asked(r, **base)) for r in ({}, {"experts": place}))
    system = simcore.resolve("system", "dgx-h100-cxl")
    moe = next(op for op in plain.operations if op.name == "experts" and op.phase == "decode")
    weights = 2 * 32 * 2 * 3 * 4096 * 14336 / 2
    sent = 32 * 2.0 * 2 * 4096 * 2 / link_bytes_per_s(system, "dram")
    host_s = weights / own_read_bytes_per_s(system, "dram") + sent + 32 * tier_latency_s(system, "dram")
    launch_s = moe.time_s - weights / 3.35e12
    assert told.decode_step_s == pytest.approx(plain.decode_step_s - moe.time_s + launch_s + host_s, rel=1e-3)
    assert told.kv_tokens > simcore.estimate(asked({"experts": {**place, "fetch": "gated"}}, **base)).kv_tokens
    half = simcore.estimate(asked({"experts": {**place, "share": 0.5}}, **base))
    assert plain.decode_step_s < half.decode_step_s < told.decode_step_s
    seen = simcore.simulate(asked({"experts": place}, **base)).flat
    assert seen["tpot_mean_s"] == pytest.approx(told.tpot_s, rel=0.02)
    few = asked({"experts": place}, **base).set({"hardware.node.hosts": 1})
    many = few.set({"traffic.input_tokens": 8000})  # a prompt that the host's cores bind
    assert simcore.estimate(many).ttft_s > 1.5 * simcore.estimate(many.set({"hardware.node.hosts": 2})).ttft_s


def test_a_tensor_is_striped_over_cards_and_over_unlike_tiers() -> None:
    system = simcore.resolve("system", "dgx-h100-cxl")
    one, two = (tier_read_bytes_per_s(system, name) for name in ("cxl", "2*cxl"))
    both, dram = (tier_read_bytes_per_s(system, name) for name in ("dram+cxl", "dram"))
    assert two == min(2 * one, link_bytes_per_s(system, "cxl")) and max(one, dram) < both <= one + dram
    assert tier_bytes(system, "2*cxl") == 2 * tier_bytes(system, "cxl")
    parts = stripes(system, "dram+cxl")
    assert sum(part.part_ratio for part in parts) == pytest.approx(1.0)
    room = min(tier_bytes(system, name) / part.part_ratio for name, part in zip(("dram", "cxl"), parts, strict=True))
    assert tier_bytes(system, "dram+cxl") == pytest.approx(room)
    for kv in ({"tier": "cxl", "cards": 2}, {"tier": ["dram", "cxl"]}):
        question = asked({"kv": kv}).set({"traffic.input_tokens": 8000})
        told, seen = simcore.estimate(question), simcore.simulate(question).flat
        assert told.tpot_s < simcore.estimate(question.set({"residency.kv": "cxl"})).tpot_s
        assert seen["tpot_mean_s"] == pytest.approx(told.tpot_s, rel=0.02)
    for bad in ({"tier": ["cxl", "cxl"]}, {"tier": "main", "cards": 2}, {"tier": "hbm", "cards": 2}):
        with pytest.raises(InputError, match=r"residency|main tier"):
            simcore.estimate(asked({"kv": bad}))


def test_a_drive_lasts_as_long_as_it_bears_what_is_written() -> None:
    question = asked({"kv": {"tier": "nvme", "fetch": "prefetch"}}).set({"hardware.node.memory.nvme.endurance": "7 PB"})
    told, run = simcore.estimate(question), simcore.simulate(question)
    token_bytes = 2 * 80 * 8 * 128 * 2 / 4  # K and V, layers, heads, elements, bytes, over tp
    rate = told.requests_per_s * 520 * token_bytes
    assert told.kv_write_bytes_per_s == pytest.approx(rate)
    assert told.tier_life_years == pytest.approx(7e15 / 8 / rate / (365.25 * 24 * 3600))
    assert run.report["tier_life_years"] == pytest.approx(told.tier_life_years, rel=0.02)
    twice = simcore.estimate(question.set({"residency.kv.cards": 2}))
    life_s = twice.tier_life_years * twice.kv_write_bytes_per_s
    assert life_s == pytest.approx(2 * told.tier_life_years * told.kv_write_bytes_per_s)
    assert "tier_life_years" not in simcore.estimate(asked({"kv": "cxl"})).values


@given(st.integers(2, 10), times, times, times)
@settings(max_examples=40, deadline=None)
def test_what_waits_beside_what_is_ahead_lies_between_one_link_and_two(
    layers: int, own_s: float, ahead_s: float, demand_s: float
) -> None:
    """Tasks: copies one layer ahead, and behind every layer's begin a copy that it waits for, each on its own link."""
    tasks = Tasks({"ahead": 1.0, "demand": 1.0}, {"gpu": 1, "copy": 1})
    done: list[int] = []
    for layer in range(layers):
        room = (done[layer - 2],) if layer > 1 else ()
        copy = tasks.add(Task(ahead_s, (("ahead", 1.0),), room, "copy"))
        asked_for = tasks.add(Task(demand_s, (("demand", 1.0),), (copy, *done[-1:])))
        done.append(tasks.add(Task(own_s, (), (asked_for,), "gpu", 1.0)))
    ahead, demand = stream_of(layers * ahead_s, layers, 0.0), stream_of(layers * demand_s, layers, 0.0, "demand")
    told = float(ahead.and_then(demand).over(layers * own_s))
    apart = run(tasks.graph()).makespan_s
    assert apart <= told * (1 + 1e-9) <= apart + layers * demand_s * (1 + 1e-9)
    assert told == float(demand.and_then(ahead).over(layers * own_s))


def test_guessed_experts_lie_between_known_and_waited_for() -> None:
    base = {"model": "mixtral-8x7b", "tp": 2}

    def step_s(**place: Any) -> float:
        return float(simcore.estimate(asked({"experts": {"tier": "dram", **place}}, **base)).decode_step_s)

    known, waited = step_s(fetch="pre-gated"), step_s(fetch="gated")
    right, half, wrong = (step_s(fetch="speculative", accuracy_ratio=a) for a in (1.0, 0.5, 0.0))
    assert right == pytest.approx(known, rel=1e-3) and right < half < wrong
    assert wrong > waited, "wrong guesses take the link"
    question = asked({"experts": {"tier": "dram", "fetch": "speculative", "accuracy_ratio": 0.8}}, **base)
    assert simcore.simulate(question).flat["tpot_mean_s"] == pytest.approx(simcore.estimate(question).tpot_s, rel=0.02)
    for place in ({"fetch": "speculative"}, {"fetch": "gated", "accuracy_ratio": 0.5}):
        with pytest.raises(InputError, match="accuracy_ratio"):
            step_s(**place)
