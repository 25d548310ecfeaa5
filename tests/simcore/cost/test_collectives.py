"""Algorithms of collectives: each file's limits, what is chosen, names and slow members in both engines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import simcore
from simcore.cost.collective import collective_model, spans
from simcore.cost.collectives import AUTO, algorithms, chosen
from simcore.cost.machine import machine_of
from simcore.errors import InputError
from simcore.testing import check_collective

SMALL, LARGE = 1024.0, 2e9


def time_s(name: str, ranks: float, size: float, system: str = "h100-sxm", what: str = "all_reduce") -> float:
    at = spans(machine_of(simcore.resolve("system", system), "bf16", "bf16"), np.array([ranks]))
    return float(collective_model(at, name).time_s(what, np.array([size]))[0])


@pytest.mark.parametrize("name", algorithms.names())
def test_every_algorithm_keeps_the_contract(name: str) -> None:
    check_collective(name)


def test_the_chosen_one_is_the_fastest_that_libraries_have() -> None:
    for ranks, system in ((8, "h100-sxm"), (32, "h100-sxm"), (4, "8x-l40s-pcie")):
        for size in (SMALL, 1e6, LARGE):
            each = [time_s(name, ranks, size, system) for name in chosen()]
            assert time_s(AUTO, ranks, size, system) == min(each)


def test_limits_by_latency_and_by_bandwidth() -> None:
    a, rate = 1e-6, 450e9
    assert time_s("ring", 8, LARGE) == pytest.approx(2 * 7 / 8 * LARGE / rate, rel=0.01)
    assert time_s("in-network", 8, LARGE) == pytest.approx(LARGE / rate, rel=0.01)
    assert time_s("star", 8, LARGE) == pytest.approx(14 * LARGE / rate, rel=0.01)
    for steps, name in ((14, "ring"), (6, "double-tree"), (2, "star"), (2, "one-shot"), (2, "in-network")):
        assert time_s(name, 8, 1.0) == pytest.approx(steps * time_s("star", 8, 1.0) / 2, rel=0.01)
    assert time_s("star", 8, 1.0) > a / 10
    assert time_s("tree", 8, LARGE) > time_s("double-tree", 8, LARGE)


def test_compressed_is_sooner_where_links_bound_and_not_where_memory_does() -> None:
    for name in ("compressed-int8", "compressed-1bit"):
        assert time_s(name, 8, LARGE, "8x-l40s-pcie") < 0.75 * time_s(AUTO, 8, LARGE, "8x-l40s-pcie")
    assert time_s("compressed-1bit", 8, LARGE) < time_s("compressed-int8", 8, LARGE)
    gain = time_s("compressed-int8", 8, LARGE) / time_s(AUTO, 8, LARGE)
    assert gain > time_s("compressed-int8", 8, LARGE, "8x-l40s-pcie") / time_s(AUTO, 8, LARGE, "8x-l40s-pcie")


LOAD = {"input_tokens": 1500, "output_tokens": 60, "batch": 1, "requests": 5}


def asked(system: str, stack: str, **changes: Any) -> Any:
    found = simcore.scenario("llama-3.1-70b", system, stack=stack, tp=8, traffic=LOAD)
    return found.set({key.replace("__", "."): value for key, value in changes.items()})


@pytest.mark.parametrize("stack", ["datasheet", "vllm"])
def test_both_engines_say_the_same_of_a_named_algorithm(stack: str) -> None:
    plain = simcore.estimate(asked("8x-l40s-pcie", stack)).values
    assert simcore.estimate(asked("8x-l40s-pcie", stack, plan__collective="auto")).values == plain
    for name, sooner in (("compressed-int8", True), ("star", False)):
        question = asked("8x-l40s-pcie", stack, plan__collective=name)
        estimated, simulated = simcore.estimate(question).values, simcore.simulate(question).flat
        assert simulated["tpot_mean_s"] == pytest.approx(estimated["tpot_s"], rel=0.02)
        assert simulated["ttft_mean_s"] == pytest.approx(estimated["ttft_s"], rel=0.02)
        assert (estimated["ttft_s"] < plain["ttft_s"]) is sooner


def test_a_slow_member_slows_what_crosses_its_level() -> None:
    slow = {"hardware__node": {"levels.0.slowest_ratio": 0.5}}
    plain, slowed = (simcore.estimate(asked("dgx-h100", "roofline", **more)).values for more in ({}, slow))
    assert slowed["ttft_s"] > 1.02 * plain["ttft_s"]
    same = {"hardware__node": {"levels.0.slowest_ratio": 1.0}}
    assert simcore.estimate(asked("dgx-h100", "roofline", **same)).values["ttft_s"] == plain["ttft_s"]


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(InputError) as told:
        simcore.estimate(asked("dgx-h100", "vllm", plan__collective="rings"))
    assert told.value.key == "plan.collective" and "ring" in str(told.value)
