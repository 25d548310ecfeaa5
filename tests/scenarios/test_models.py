"""[[models]] and [[jobs]]: one model is the plain scenario, engines agree, memory is counted, refusals are named."""

from __future__ import annotations

from typing import Any

import pytest

import simcore
from simcore.cost.storage import tier_latency_s, tier_read_bytes_per_s
from simcore.errors import InputError
from simcore.result import DoesNotFit

TRAFFIC = {"input_tokens": 256, "output_tokens": 20, "batch": 1, "requests": 400}
COPIES = {"name": "expert", "copies": 12}
AWAY = {"models": {"tier": "dram", "slots": 4}}


def asked(**tables: Any) -> Any:
    """A node of SN40L, experts of seven billion parameters."""
    question = simcore.scenario("llama-2-7b", "sn40l-8", stack="datasheet", tp=8, traffic=TRAFFIC)
    return question.set(tables) if tables else question


def test_one_model_is_the_plain_scenario_to_the_last_bit() -> None:
    """Whatever the traffic; where the model lives is then no matter, because it never leaves."""
    for traffic in ({**TRAFFIC, "requests": 50}, {"name": "azure-conv-2023", "rate_per_s": 20.0, "requests": 200}):
        plain, one, away = (
            simcore.simulate(asked(traffic=traffic, **more)).flat
            for more in ({}, {"models": [{"name": "a"}]}, {"models": [{"name": "a"}], "residency": AWAY})
        )
        assert plain["served"] == traffic["requests"]
        for name, value in plain.items():
            if isinstance(value, float | int):
                assert one[name] == away[name], name
                assert one[name] == (value if "rate_per_s" in traffic else pytest.approx(value, rel=1e-9)), name


@pytest.mark.parametrize("cache", ["lru", "static"])
def test_both_engines_wait_for_the_same_weights(cache: str) -> None:
    """One request at a time: a skewed composition beside a larger model."""
    models = [{**COPIES, "skew_ratio": 1.0, "share": 3.0}, {"name": "large", "model": {"name": "llama-2-13b"}}]
    question = asked(models=models, residency={"models": {**AWAY["models"], "cache": cache}})
    told, run = simcore.estimate(question), simcore.simulate(question.set({"traffic.requests": 4000}))
    for name in ("ttft", "tpot", "e2e"):
        assert run.flat[f"{name}_mean_s"] == pytest.approx(getattr(told, f"{name}_s"), rel=0.02), name
    for name in ("throughput_tokens_per_s", "chip_power_w", "usd_per_million_tokens", "mfu_ratio"):
        if run.flat[name] is not None:
            assert run.flat[name] == pytest.approx(told.values[name], rel=0.03), name
    assert run.flat["kv_tokens"] == told.kv_tokens
    shares = [run.report["by_model"][name]["requests"] for name in ("expert", "large")]
    assert shares[0] / sum(shares) == pytest.approx(0.75, abs=0.02) and sum(shares) == 4000


def test_a_switch_costs_the_weights_over_the_tier_and_nothing_where_all_are_there() -> None:
    system = simcore.resolve("system", "sn40l-8")
    there = simcore.estimate(asked(models=[COPIES], residency={"models": {"tier": "dram", "slots": 12}}))
    one = simcore.estimate(asked(models=[COPIES], residency={"models": {"tier": "dram", "slots": 1}}))
    fetch_s = there.weights_bytes / tier_read_bytes_per_s(system, "dram") + tier_latency_s(system, "dram")
    assert there.model_wait_s == 0.0 and there.ttft_s == simcore.estimate(asked()).ttft_s
    assert one.ttft_s - there.ttft_s == pytest.approx(fetch_s * 11 / 12, rel=0.02)
    assert one.kv_tokens > there.kv_tokens


def test_what_does_not_fit_is_a_typed_answer() -> None:
    many = asked(models=[{"name": "expert", "copies": 150}])
    full = many.set({"residency": {"models": {"tier": "dram"}}, "hardware.chip.memory.dram.capacity": "100 GB"})
    for question, tier in ((many, "hbm"), (full, "dram")):
        for found in (simcore.estimate(question), simcore.simulate(question).result):
            assert isinstance(found.infeasible, DoesNotFit) and found.infeasible.tier == tier
            assert found.infeasible.need_bytes > found.infeasible.have_bytes


def test_requests_go_to_the_model_that_their_class_names(tmp_path: Any) -> None:
    rows = "\n".join(f"{t},100,10,{'b' if t % 3 else 'a'}" for t in range(30))
    (tmp_path / "t.csv").write_text(f"at,in,out,kind\n{rows}\n")
    columns = {"arrival": "at", "input": "in", "output": "out", "class": "kind"}
    traffic = {"trace": str(tmp_path / "t.csv"), "columns": columns}
    models = [{"name": "a"}, {"name": "b", "model": {"name": "llama-2-13b"}}]
    told = simcore.simulate(asked(models=models, traffic=traffic)).report["by_model"]
    assert (told["a"]["requests"], told["b"]["requests"]) == (10, 20)


def test_a_job_takes_memory_and_slack_but_no_more_than_a_step_may_last() -> None:
    base = simcore.scenario("llama-3.1-8b", "a100-sxm", stack="datasheet").set(
        {"traffic": {"input_tokens": 161, "output_tokens": 50, "rate_per_s": 4.0, "requests": 100}}
    )
    job = base.set({"jobs": [{"name": "tune", "step": "40 ms"}]})
    plain, tuned = simcore.simulate(base), simcore.simulate(job)
    told = tuned.report["jobs"]["tune"]
    assert tuned.report["tpot_s"]["p50"] == pytest.approx(0.04, rel=1e-3)
    assert plain.report["tpot_s"]["p50"] < 0.02
    assert tuned.flat["kv_tokens"] < plain.flat["kv_tokens"]
    assert tuned.report["energy_j"] > plain.report["energy_j"] and 0.5 < told["peak_ratio"] < 1.0
    assert told["tokens"] * 1.0 == pytest.approx(told["throughput_tokens_per_s"] * tuned.run.replicas["now_s"].max())
    trained = simcore.train(
        base.set({"traffic": None, "training": {"sequence_tokens": 1024, "global_batch": 1, "tune": "lora"}})
    ).flat
    assert told["peak_tokens_per_s"] == pytest.approx(trained["throughput_tokens_per_s"], rel=0.05)


@pytest.mark.parametrize(("stack", "rate"), [("datasheet", 5.0), ("vllm", 2.0)])
def test_both_engines_leave_a_job_the_same(stack: str, rate: float) -> None:
    question = simcore.scenario("llama-3.1-8b", "a100-sxm", stack=stack).set(
        {"traffic": {"input_tokens": 161, "output_tokens": 338, "rate_per_s": rate, "requests": 2500}}
    )
    tuned = question.set({"jobs": [{"name": "tune", "step": "50 ms"}]})
    told, run = simcore.estimate(tuned), simcore.simulate(tuned)
    seen = run.report["jobs"]["tune"]
    assert run.flat["tpot_mean_s"] == pytest.approx(told.tpot_s, rel=0.02)
    assert run.flat["ttft_mean_s"] == pytest.approx(told.ttft_s, rel=0.05)
    assert seen["peak_ratio"] == pytest.approx(told.job_peak_ratio, rel=0.03)
    assert run.flat["chip_power_w"] == pytest.approx(told.values["chip_power_w"], rel=0.03)
    assert run.flat["kv_tokens"] == told.kv_tokens < simcore.estimate(question).kv_tokens


def test_a_draft_with_its_own_plan_adds_its_steps() -> None:
    """A step lasts as long as the model's and as many of the draft as it drafts tokens."""
    policy = {"draft_tokens": 4, "acceptance_ratio": 0.7}
    base = simcore.scenario("llama-3.1-70b", "dgx-h100", stack="datasheet", tp=8, traffic=TRAFFIC).set(
        {"policy": policy, "traffic.requests": 20, "traffic.output_tokens": 400}
    )
    small = {"model": {"name": "llama-3.1-8b"}, "plan": {"tp": 1}}
    draft = simcore.estimate(
        "llama-3.1-8b", "dgx-h100", stack="datasheet", tp=1, traffic={**TRAFFIC, "output_tokens": 400}
    )
    plain, drafted = (
        simcore.simulate(base.set({"models": [{"name": "a", **more}]})) for more in ({}, {"draft": small})
    )
    more_s = drafted.report["tpot_s"]["mean"] - plain.report["tpot_s"]["mean"]
    assert more_s == pytest.approx(4 * draft.tpot_s / (1 + sum(0.7**k for k in range(1, 5))), rel=0.04)
    assert drafted.flat["kv_tokens"] < plain.flat["kv_tokens"]
    some = simcore.simulate(base.set({"models": [{"name": "a", "adapters": 50}]})).report["tpot_s"]["mean"]
    assert plain.report["tpot_s"]["mean"] < some < 1.05 * plain.report["tpot_s"]["mean"]


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"models": [COPIES], "residency": {"weights": "dram"}}, r"residency\.weights: is not known beside"),
        ({"models": [COPIES], "policy": {"prefix_cache": True}}, r"policy\.prefix_cache: is not known beside"),
        ({"models": [COPIES, {"name": "b", "plan": {"tp": 4}}]}, r"models\.b: has 1 replicas of 4 chips"),
        ({"models": [COPIES, COPIES]}, "two entries have the same name"),
        ({"models": [{**COPIES, "replicas": [3]}]}, "names replica 3"),
        ({"models": [COPIES], "residency": {"models": "tape"}}, "residency.models"),
        ({"models": [COPIES], "residency": {"models": {"tier": "dram", "fetch": "window"}}}, "fetch = 'window'"),
        ({"models": [{"name": "a", "draft": {"model": {"name": "llama-2-7b"}}}]}, "drafts no tokens"),
        ({"jobs": [{"name": "tune"}]}, "says not how long a step may last"),
        ({"residency": {"kv": {"tier": "dram", "slots": 3}}}, r"residency\.kv\.slots: is for residency\.models"),
        ({"models": [{**COPIES, "replicas": []}]}, "replicas"),
        ({"models": [COPIES], "residency": {"models": "hbm"}}, "hbm is the main tier"),
        (
            {"models": [{"name": "a", "policy": {"prefix_cache": True}}]},
            r"models\.a\.policy\.prefix_cache: is not known",
        ),
    ],
)
def test_refusals_name_the_key(tables: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        simcore.simulate(asked(**tables))


def test_capacity_counts_what_switching_costs_and_other_verbs_refuse() -> None:
    traffic = {"input_tokens": 256, "output_tokens": 20, "rate_per_s": 8.0, "requests": 200}
    question = asked(models=[COPIES], residency=AWAY, slo={"ttft": "0.1 s"}, traffic=traffic)
    switched, there = (simcore.capacity(q) for q in (question, question.set({"residency.models.slots": 12})))
    assert 0.0 < switched["rate_requests_per_s"] < there["rate_requests_per_s"]
    changes = {"hardware.system": "dgx-h100", "plan.tp": 1, "plan.dp": 4, "residency": {}}
    split = question.set({**changes, "models": [{"name": "a", "replicas": [3]}]})
    with pytest.raises(InputError, match="no replica of 1 may serve a"):
        simcore.capacity(split, find="replicas")
    with pytest.raises(InputError, match="models: is for serving"):
        simcore.train(asked(models=[COPIES], traffic=None, training={"sequence_tokens": 512, "global_batch": 1}))


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"models": [COPIES], "traffic": {**TRAFFIC, "batch": 4}}, "wait for each other's turns"),
        ({"models": [COPIES], "jobs": [{"name": "tune", "step": "1 s"}]}, "beside \\[\\[models"),
        ({"models": [{**COPIES, "adapters": 3}]}, "adapters or a draft"),
    ],
)
def test_what_a_steady_state_does_not_show_is_refused(tables: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        simcore.estimate(asked(**tables))
