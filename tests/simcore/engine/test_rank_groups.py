"""Arrivals to replicas of attention-dp ranks: several share the work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import simcore
from simcore.engine.invariants import violations
from simcore.errors import InputError


def question(**traffic: Any) -> Any:
    load = {"input_tokens": [100, 2000], "output_tokens": [10, 200], "requests": 300, "rate_per_s": 12.0} | traffic
    plan = {"attention_dp": 4, "ep": 4}
    return simcore.scenario("qwen3-30b-a3b", "dgx-h100", stack="datasheet", **plan, traffic=load)


@pytest.mark.parametrize("router", ["round-robin", "least-outstanding"])
def test_two_replicas_share_the_work(router: str) -> None:
    asked = question().set({"policy.router": router})
    one, two = simcore.simulate(asked), simcore.simulate(asked.set({"plan.dp": 2}))
    assert not violations(two.run) and two.flat["served"] == 300
    places = np.bincount(two.run.requests["replica"], minlength=8)
    assert places.min() > 0 and abs(places[:4].sum() - 150) < 30
    assert two.flat["ttft_p90_s"] < one.flat["ttft_p90_s"] and two.flat["tpot_mean_s"] < one.flat["tpot_mean_s"]
    half = simcore.simulate(asked.set({"traffic.rate_per_s": 6.0, "traffic.requests": 150})).flat
    assert two.flat["tpot_mean_s"] == pytest.approx(half["tpot_mean_s"], rel=0.15)


def test_a_router_that_sees_single_ranks_is_refused() -> None:
    with pytest.raises(InputError, match="does not see 4 attention-dp ranks"):
        simcore.simulate(question().set({"plan.dp": 2, "policy.router": "session"}))
