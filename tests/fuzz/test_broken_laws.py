"""Questions whose answers broke a law once, each as small as it was found, and the laws that they obey now."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scenarios.read import from_raw
from scenarios.run import ready
from scenarios.simulate import simulate
from simcore.errors import InputError
from tests.fuzz.laws import estimate, event_laws

Raw = dict[str, Any]
STEPS = {"profile": "table", "step": "4 ms", "token": "20 us"}
HANDED = {
    "pools": [{"name": "p", "role": "prefill", "count": 1}, {"name": "d", "role": "decode", "count": 2}],
    "transfer": {"bandwidth": "1 GB/s", "bytes_per_token": 131072.0},
}


def asked(policy: Raw, traffic: Raw, **more: Any) -> Raw:
    lengths = {"input_tokens": 300, "output_tokens": 20, "requests": 8}
    given = {"steps": STEPS} if "hardware" not in more else {}
    return {"name": "law", "seed": 10, "plan": {}, "policy": policy, "traffic": lengths | traffic} | given | more


def rows_of(raw: Raw) -> Any:
    made = ready(from_raw(raw))
    assert made.infeasible is None
    return made.run().requests


FAST = {"rate_per_s": 50.0, "arrivals": "constant"}
FAILS = [{"at": "50 ms", "replica": 0, "down": "0.1 s"}]
GROWS = {"pool": "a", "low": 0, "high": 4.0, "interval": "50 ms", "cold_start": "0.1 s"}
QUESTIONS = {
    "KV that is handed over is taken whole": asked({"whole_prompt": False}, FAST, fleet=HANDED),
    "a prompt that is never cut does not start without KV for all of it": asked(
        {"scheduler": "orca", "whole_prompt": False, "block_tokens": 7},
        {"users": 5, "input_tokens": [1, 40]},
        steps=STEPS | {"kv_blocks": 8},
        fleet={"pools": [{"name": "a", "count": 1, "started": 1}], "autoscale": GROWS},
    ),
    "prompts that waited for a batch are handed over": asked(
        {"scheduler": "static", "batch_wait": "2 s"}, FAST, fleet=HANDED | {"failures": FAILS}
    ),
    "drafted tokens are in the series": asked({"draft_tokens": 3, "acceptance_ratio": 0.9}, FAST),
    "who waits for a batch is in the series": asked({"scheduler": "static", "batch_wait": "2 s"}, FAST),
    "a first token that was sent before a failure stays sent": asked(
        {"max_running": 2}, FAST, fleet=HANDED | {"first_token": "decode", "failures": [FAILS[0] | {"replica": 1}]}
    ),
    "a part-filled batch of ranks is served": asked(
        {"scheduler": "static", "batch_wait": "5 ms"},
        {"requests": 3, "arrivals": "once"},
        plan={"attention_dp": 2},
        model={"name": "qwen3-30b-a3b"},
        hardware={"system": "dgx-h100", "stack": "roofline"},
    ),
    "and of a closed loop": asked(
        {"scheduler": "static", "batch_wait": "5 ms"},
        {"requests": 3, "users": 3},
        plan={"attention_dp": 2},
        model={"name": "qwen3-30b-a3b"},
        hardware={"system": "dgx-h100", "stack": "roofline"},
    ),
    "a step composed ahead sees no slot of the run of decodes before it": asked(
        {"ahead": True, "max_running": 7, "token_budget": 7}, {"users": 16, "think": "10 ms", "requests": 40}, seed=6
    ),
    "a chip draws no more than its limit": asked(
        {"scheduler": "inflight"},
        {"requests": 30, "arrivals": "once", "output_tokens": 1},
        model={"name": "gemma-3-12b"},
        hardware={"system": "a100-sxm-40gb", "stack": "trtllm"},
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_was_broken_once(name: str) -> None:
    raw = QUESTIONS[name]
    assert len(rows_of(raw)) and not event_laws(raw)


def test_who_is_refused_while_a_step_runs_sends_again() -> None:
    raw = asked({}, {"users": 3, "input_tokens": 2, "output_tokens": [1, 90], "requests": 60, "think": "1 us"})
    raw["steps"] = STEPS | {"kv_blocks": 3}
    rows = rows_of(raw)
    assert (rows["state"] == 3).sum() > 10
    leaves = np.where(rows["state"] == 3, rows["arrival_s"], rows["done_s"])
    inside = [((rows["arrival_s"] <= at) & (leaves > at)).sum() for at in np.linspace(0.01, 0.5, 50) * leaves.max()]
    assert min(inside) >= 2  # three users less one who thinks


def test_autoscaling_does_not_start_what_is_broken() -> None:
    fleet = {"pools": [{"name": "a", "count": 2}], "autoscale": GROWS | {"high": 1.0}}
    fleet["failures"] = [FAILS[0] | {"down": "30 s"}]
    rows = rows_of(asked({}, FAST | {"requests": 40}, fleet=fleet))
    broken = (rows["scheduled_s"] > 0.05) & (rows["scheduled_s"] < 30.05)
    assert broken.sum() > 30 and (rows["replica"][broken] == 1).all()


def test_of_two_failures_the_repair_that_takes_longer_counts() -> None:
    failures = [FAILS[0] | {"down": "30 s"}, FAILS[0] | {"at": "10 s", "down": "50 s"}]
    rows = rows_of(asked({}, FAST, fleet={"pools": [{"name": "a", "count": 1}], "failures": failures}))
    assert (rows["done_s"] > 60.0).all()


def test_a_gap_of_a_quarter_of_an_hour_is_told() -> None:
    fleet = {"pools": [{"name": "a", "count": 1}], "failures": [FAILS[0] | {"down": "1000 s"}]}
    told = simulate(from_raw(asked({}, {"requests": 1, "rate_per_s": 1.0, "arrivals": "once"}, fleet=fleet))).report
    assert told["itl_s"]["p99.9"] > 900.0


@pytest.mark.parametrize("more", [{}, {"plan": {"dp": 2}}, {"fleet": {"pools": [{"name": "a", "count": 1}]}}])
@pytest.mark.parametrize("load", [{"arrivals": "once"}, {"users": 3}])
def test_kernels_are_compiled_before_the_first_step_of_any_loop(more: Raw, load: Raw) -> None:
    plain, late = (rows_of(asked({"compile": wait}, load, **more)) for wait in ("0 s", "3 s"))
    np.testing.assert_allclose(late["done_s"], plain["done_s"] + 3.0, rtol=1e-9)


def test_a_window_has_no_more_throughput_than_the_server() -> None:
    raw = asked({"max_running": 2}, FAST | {"requests": 40})
    whole, window = (simulate(from_raw(raw | {"warm_ratio": ratio})).report for ratio in (0.0, 0.2))
    assert window["throughput_tokens_per_s"] < 1.2 * whole["throughput_tokens_per_s"]
    at_once = simulate(from_raw(asked({}, {"arrivals": "once"}) | {"warm_ratio": 0.2})).report
    assert at_once["served"] == 8 and at_once["throughput_tokens_per_s"] > 0


def test_users_beyond_the_requests_send_nothing() -> None:
    hardware = {"system": "h100-sxm", "stack": "vllm"}
    raws = (
        {
            "name": "law",
            "model": {"name": "llama-3.1-8b"},
            "hardware": hardware,
            "traffic": {"input_tokens": 4096, "output_tokens": 8, "users": users, "requests": 20},
        }
        for users in (20, 200)
    )
    few, many = (estimate(raw) for raw in raws)
    assert few is not None and many is not None and few["tpot_mean_s"] > 0
    assert {name: few[name] for name in few if name != "notes"} == {name: many[name] for name in few if name != "notes"}


def test_dense_models_have_no_attention_dp_in_any_verb() -> None:
    raw = {
        "name": "law",
        "model": {"name": "llama-3.1-8b"},
        "hardware": {"system": "dgx-h100", "stack": "roofline"},
        "plan": {"attention_dp": 2},
        "traffic": {"input_tokens": 64, "output_tokens": 8, "batch": 4},
    }
    told = estimate(raw)
    assert told is not None and not told["feasible"] and "use dp" in told["reason"]
    with pytest.raises(InputError, match="use dp"):
        ready(from_raw(raw))
