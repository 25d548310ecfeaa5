"""One question, two engines: where both can answer they agree, over random scenarios and all stacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hardware_specs
import simcore

MODELS = ("llama-3.1-8b", "qwen3-32b", "mixtral-8x7b", "gpt-oss-20b", "qwen3-30b-a3b", "nemotron-3-nano-30b-a3b")
SYSTEMS = ("dgx-h100", "dgx-h200", "dgx-b200", "8x-l40s-pcie")


def both(question: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(estimate, simulate)."""
    return planners_estimate(question), simcore.simulate(question).flat


def planners_estimate(question: Any) -> dict[str, Any]:
    from planners.engines import engines

    found: dict[str, Any] = engines("analytic")(question)
    return found


def drawn(stack: str, seed: int, load: dict[str, int]) -> Any:
    """A random scenario whose plan is loadable by every stack."""
    random = np.random.default_rng(seed)
    requests = 12 * max(load.values())
    lengths = {"input_tokens": int(random.integers(50, 4000)), "output_tokens": int(random.integers(40, 300))}
    return simcore.scenario(
        str(random.choice(MODELS)),
        str(random.choice(SYSTEMS)),
        stack=stack,
        tp=int(random.choice([2, 4])),
        traffic={**lengths, **load, "requests": requests},
    )


@pytest.mark.parametrize("load", [{"batch": 1}, {"users": 1}], ids=["batch", "users"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("stack", hardware_specs.stack.names())
def test_alone_the_engines_say_the_same(stack: str, seed: int, load: dict[str, int]) -> None:
    estimated, simulated = both(drawn(stack, seed, load))
    assert estimated["feasible"] is simulated["feasible"] is True
    assert simulated["kv_tokens"] == estimated["kv_tokens"]
    assert simulated["max_concurrency"] == estimated["max_concurrency"]
    assert simulated["tpot_mean_s"] == pytest.approx(estimated["tpot_mean_s"], rel=0.02)
    assert simulated["ttft_mean_s"] == pytest.approx(estimated["ttft_mean_s"], rel=0.1)
    assert simulated["chip_power_w"] == pytest.approx(estimated["chip_power_w"], rel=0.1)
    assert simulated["energy_j_per_token"] == pytest.approx(estimated["energy_j_per_token"], rel=0.1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("stack", hardware_specs.stack.names())
def test_few_users_lie_between_lockstep_and_steady_state(stack: str, seed: int) -> None:
    """Equal requests in a closed loop stay together: their decodes are never stalled by a prompt, which the steady
    state counts in full. In between both agree."""
    question = drawn(stack, seed, {"batch": 3})
    estimated, simulated = both(question)
    decode_s = simcore.estimate(question).values["decode_step_s"]
    assert decode_s * 0.98 <= simulated["tpot_mean_s"] <= estimated["tpot_mean_s"] * 1.02
    assert simulated["kv_tokens"] == estimated["kv_tokens"]
    assert simulated["chip_power_w"] == pytest.approx(estimated["chip_power_w"], rel=0.1)


@pytest.mark.parametrize("stack", ["datasheet", "vllm"])
def test_weights_and_kv_in_slow_tiers(stack: str) -> None:
    """The same residency in both engines; a slower home is slower, in both."""
    base = simcore.scenario(
        "llama-3.1-70b",
        "dgx-h100-cxl",
        stack=stack,
        tp=4,
        traffic={"input_tokens": 500, "output_tokens": 60, "batch": 1, "requests": 10},
    )
    plain = both(base)
    for residency in ({"kv": "cxl"}, {"weights": "dram"}, {"kv": "cxl", "weights": "cxl"}):
        estimated, simulated = both(base.set({"residency": residency}))
        assert simulated["tpot_mean_s"] == pytest.approx(estimated["tpot_mean_s"], rel=0.02)
        assert simulated["ttft_mean_s"] == pytest.approx(estimated["ttft_mean_s"], rel=0.1)
        assert simulated["chip_power_w"] == pytest.approx(estimated["chip_power_w"], rel=0.1)
        assert simulated["kv_tokens"] == estimated["kv_tokens"]
        assert estimated["tpot_mean_s"] > plain[0]["tpot_mean_s"] and simulated["tpot_mean_s"] > plain[1]["tpot_mean_s"]


def test_joules_follow_the_kv_that_is_there() -> None:
    """The energy of a run is the integral of the board power of its steps, each priced at its own KV."""
    from scenarios.run import ready
    from simcore.ops.op import StepColumns
    from simcore.step.price import dynamic_w, price

    asked = simcore.scenario(
        "llama-3.1-8b",
        "h100-sxm",
        stack="vllm",
        traffic={"input_tokens": 2000, "output_tokens": 3000, "batch": 4, "requests": 4},
    )
    made = ready(asked)
    run = made.run(log_steps=5000)
    physics, columns = made.resolved.physics(), made.resolved.columns
    joules, short_joules, kv = 0.0, 0.0, 0.0
    for row in run.log:
        seconds, decodes, steps = float(row["end_s"] - row["start_s"]), float(row["decodes"]), float(row["steps"])
        if row["chunks"]:
            step = StepColumns(float(row["chunks"]), float(row["chunk_tokens"]) / float(row["chunks"]))
            kv += float(row["chunk_tokens"])
        else:
            step = StepColumns(decode_sequences=decodes, kv_tokens=kv / decodes + steps / 2.0)
            kv += decodes * steps
        short = StepColumns(step.prefill_sequences, step.prefill_tokens, 0.0, step.decode_sequences, 1.0)
        for context in (step, short):
            found = price(physics, columns, context, not row["chunks"])
            watts = float(np.max(dynamic_w(physics, *found.busy_s()) + physics.machine.idle_w))
            if context is step:
                joules += watts * seconds
            else:
                short_joules += watts * seconds
    found_j = float(run.replicas["energy_j"].sum())
    assert found_j == pytest.approx(joules, rel=0.02)
    assert abs(short_joules / joules - 1.0) > 0.001


@pytest.mark.parametrize("stack", ["datasheet", "vllm"])
def test_arrivals_to_ranks_that_share_their_experts(stack: str) -> None:
    """At a low rate both engines decode alike; a prompt beside decodes on other ranks is a step of its own kind."""
    load = {"input_tokens": 1000, "output_tokens": 200, "requests": 200, "rate_per_s": 2.0}
    plan = {"attention_dp": 4, "ep": 4}
    estimated, simulated = both(simcore.scenario("qwen3-30b-a3b", "dgx-h100", stack=stack, **plan, traffic=load))
    assert simulated["served"] == 200 and estimated["feasible"]
    assert simulated["tpot_mean_s"] == pytest.approx(estimated["tpot_mean_s"], rel=0.15)
