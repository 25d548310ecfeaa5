"""Pools that hand over: the system's own link, unlike plans in one fleet, what each of them costs."""

from __future__ import annotations

from typing import Any

import pytest

from scenarios.read import from_raw
from scenarios.report import report
from scenarios.run import Ready, ready
from simcore.errors import InputError


def disaggregated(system: str = "h100-sxm", decodes: int = 1, **transfer: Any) -> Ready:
    """A prefill pool of two attention-dp ranks beside decode replicas of four chips."""
    pools = [
        {"name": "prefill", "role": "prefill", "count": 1, "plan": {"attention_dp": 2, "ep": 2}},
        {"name": "decode", "role": "decode", "count": decodes, "plan": {"tp": 4, "ep": 4}},
    ]
    fleet = {"pools": pools} | ({"transfer": transfer} if transfer else {})
    raw = {
        "schema": "scenario/2",
        "name": "apart",
        "model": {"name": "qwen3-30b-a3b"},
        "hardware": {"system": system, "stack": "datasheet"},
        "plan": {"tp": 4, "ep": 4},
        "traffic": {"input_tokens": 500, "output_tokens": 20, "users": 8, "requests": 40},
        "fleet": fleet,
    }
    return ready(from_raw(raw, "apart.toml"))


def test_kv_goes_over_the_innermost_link_that_holds_the_fleet() -> None:
    """Six chips share a node; eighteen need the network of the shipped cluster of that node."""
    inside, outside = (disaggregated(decodes=count).fleet.transfer for count in (1, 4))
    assert inside.channels == 2
    assert inside.bytes_per_s == pytest.approx(450e9) and outside.bytes_per_s == pytest.approx(50e9)
    stated = disaggregated(bandwidth="10 GB/s").fleet.transfer
    assert (stated.bytes_per_s, stated.channels) == (10e9, 1)


def test_a_system_without_such_a_link_is_refused() -> None:
    with pytest.raises(InputError, match="no link that joins 18 chips"):
        disaggregated("mi300x-8", 4).fleet  # noqa: B018


def test_chips_of_unlike_pools_are_all_counted() -> None:
    asked = disaggregated(decodes=2)
    run = asked.run()
    found = report(run, asked)
    assert len(run.replicas) == 4
    assert found["throughput_per_chip_tokens_per_s"] == pytest.approx(found["throughput_tokens_per_s"] / 10)
    hours = float(run.replicas["now_s"].max()) / 3600.0
    usd = 10 * asked.resolved.system.chip.money.rental_usd_per_hour * hours  # type: ignore[union-attr, operator]
    assert found["usd_per_million_tokens"] == pytest.approx(usd / (40 * 20) * 1e6)


def test_users_of_several_replicas_of_ranks_use_all_of_them() -> None:
    raw = {
        "schema": "scenario/2",
        "name": "ranks",
        "model": {"name": "qwen3-30b-a3b"},
        "hardware": {"system": "h100-sxm", "stack": "datasheet"},
        "plan": {"attention_dp": 2, "ep": 2, "dp": 2},
        "traffic": {"input_tokens": 500, "output_tokens": 20, "users": 8, "requests": 40},
    }
    run = ready(from_raw(raw, "ranks.toml")).run()
    assert len(run.replicas) == 4 and (run.replicas["finished"] > 0).all()


def test_separate_pools_carry_their_own_intervals() -> None:
    from scenarios.intervals import bands_of, in_words

    asked = disaggregated()
    scenario = asked.scenario.model_copy(update={"hardware": asked.scenario.hardware.replace(stack="trtllm")})  # type: ignore[union-attr]
    apart, whole = (ready(one).resolved for one in (scenario, scenario.model_copy(update={"fleet": None})))
    assert apart is not None and whole is not None
    assert bands_of(apart)["ttft"][1] > bands_of(whole)["ttft"][1]
    assert "prefill and decode pools" in in_words(apart)[0] and "models with experts" in in_words(whole)[0]
