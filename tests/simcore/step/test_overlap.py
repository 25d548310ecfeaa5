"""Micro-batches beside each other: limits of the law, one price in both engines, nothing for one micro-batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simcore
from scenarios.one_step import AskedStep, step_of
from scenarios.overlap import AskedStreams, step_in_streams
from simcore.errors import InputError
from simcore.ops.op import StepColumns
from simcore.step.overlap import micro_batch, overlapped_s

FROM_LOADS = (0.0, 0.0, 0.0)
APART = (2.0, 2.0, 2.0)
seconds = st.floats(0.0, 5.0)
ratios = st.floats(0.0, 1.0)
kinds = st.tuples(seconds, seconds, seconds, seconds)


@given(kinds, ratios, ratios, st.integers(1, 6), st.booleans())
@settings(max_examples=150, deadline=None)
def test_between_the_busiest_resource_and_the_sum(work: Any, held: float, fed: float, parts: int, late: bool) -> None:
    loads = held * work[1], fed * work[0]
    time_s = overlapped_s(work, loads, (float(parts), float(late), *FROM_LOADS))
    assert time_s <= sum(work) * (1 + 1e-9) + 1e-12
    assert time_s >= max(work) * (1 - 1e-9) and time_s >= sum(work) / (parts + late) * (1 - 1e-9)
    if parts == 1 and not late:
        assert time_s == pytest.approx(sum(work))
    more = overlapped_s(work, loads, (float(parts + 2), float(late), *FROM_LOADS))
    assert more <= time_s * (1 + 1e-9) + 1e-12, "more micro-batches of the same work hide no less"
    none = overlapped_s((*work[:3], 0.0), loads, (float(parts), float(late), *APART))
    assert none == pytest.approx(sum(work[:3])), "pairs that take both their times hide nothing"


@given(kinds, ratios, st.floats(1.0, 2.0), st.floats(0.0, 1.0))
@settings(max_examples=60, deadline=None)
def test_a_worse_pair_is_never_sooner(work: Any, held: float, pair: float, more: float) -> None:
    rule = (2.0, 0.0, pair, 1.1, 1.1)
    worse = (2.0, 0.0, min(pair + more, 2.0), 1.1, 1.1)
    loads = held * work[1], 0.0
    assert overlapped_s(work, loads, rule) <= overlapped_s(work, loads, worse) * (1 + 1e-9) + 1e-12


def test_two_equal_kinds_take_half() -> None:
    rule = (2.0, 0.0, 1.0, 1.0, 1.0)
    assert overlapped_s((1.0, 1.0, 0.0, 0.0), (0.0, 0.0), rule) == pytest.approx(1.0)
    assert overlapped_s((1.0, 1.0, 1.0, 0.0), (0.0, 0.0), rule) == pytest.approx(1.5, rel=0.07)


def test_micro_batches_hold_the_same_work() -> None:
    step = StepColumns(1.0, 1024.0, 100.0, 8.0, 50.0)
    part = micro_batch(step, np.array(4.0))
    assert 4 * float(part.tokens) == float(step.tokens)
    pairs = step.prefill_tokens * (step.past_tokens + step.prefill_tokens / 2)
    assert 4 * float(part.prefill_tokens * (part.past_tokens + part.prefill_tokens / 2)) == pytest.approx(pairs)


BASE = {"input_tokens": 700, "output_tokens": 60, "batch": 1, "requests": 6}


def asked(system: str, stack: str, overlap: dict[str, Any] | None) -> Any:
    question = simcore.scenario("llama-3.1-70b", system, stack=stack, tp=8, traffic=BASE)
    return question.set({"policy.overlap": overlap}) if overlap else question


@pytest.mark.parametrize("stack", ["datasheet", "vllm"])
def test_both_engines_price_it_alike(stack: str) -> None:
    plain = simcore.estimate(asked("8x-l40s-pcie", stack, None)).values
    for overlap in ({"micro_batches": 2}, {"micro_batches": 3, "tiles": True}, {"late": True}):
        question = asked("8x-l40s-pcie", stack, overlap)
        estimated, simulated = simcore.estimate(question).values, simcore.simulate(question).flat
        assert simulated["tpot_mean_s"] == pytest.approx(estimated["tpot_s"], rel=0.02)
        assert simulated["ttft_mean_s"] == pytest.approx(estimated["ttft_s"], rel=0.02)
        assert simulated["chip_power_w"] == pytest.approx(estimated["chip_power_w"], rel=0.05)
        assert estimated["ttft_s"] < 0.85 * plain["ttft_s"], "sums over PCIe hide behind products"


def test_one_micro_batch_is_no_other_question() -> None:
    for stack in ("datasheet", "vllm"):
        plain, one = asked("dgx-h100", stack, None), asked("dgx-h100", stack, {"micro_batches": 1})
        assert simcore.estimate(plain).values == simcore.estimate(one).values
        theirs, ours = simcore.simulate(plain).flat, simcore.simulate(one).flat
        assert {k: v for k, v in theirs.items() if k != "notes"} == {k: v for k, v in ours.items() if k != "notes"}


@pytest.mark.parametrize("step", [AskedStep(256, 4096), AskedStep(prefill_tokens=4096), AskedStep(4, 1280)])
@pytest.mark.parametrize("system", ["dgx-h100", "8x-l40s-pcie"])
def test_near_what_operations_do_one_by_one(system: str, step: AskedStep) -> None:
    """Of the share that is left, the law is 0 to 12 % below the same operations as tasks (no fluids)."""
    question = simcore.scenario("llama-3.1-70b", system, stack="datasheet", tp=8, batch=1)
    left = {}
    for parts in (1, 2):
        priced = step_of(question.set({"policy.overlap": {"micro_batches": parts}}), step)
        left[parts] = float(np.max(priced.totals().time_s))
    tasks = step_in_streams(question, step, AskedStreams(2))
    once = step_in_streams(question, step, AskedStreams(1))
    ratio = (left[2] / left[1]) / (tasks["time_s"] / once["time_s"])
    assert 0.88 <= ratio <= 1.03


def test_what_does_not_go_with_it_is_named() -> None:
    question = asked("dgx-h100", "vllm", {"micro_batches": 2})
    for changes, key in (
        ({"policy.sub_batches": True}, "policy.sub_batches"),
        ({"residency": {"weights": "dram"}}, "residency.weights"),
        ({"policy.communication_overlap_ratio": 0.5}, "policy.communication_overlap_ratio"),
    ):
        with pytest.raises(InputError) as told:
            simcore.estimate(question.set(changes))
        assert told.value.key == key
    ranks = simcore.scenario("qwen3-30b-a3b", "dgx-h100", attention_dp=4, ep=4, batch=8)
    ranks = ranks.set({"policy.overlap": {"micro_batches": 2}})
    assert simcore.estimate(ranks).values["tpot_s"] > 0.0
    with pytest.raises(InputError, match="attention-dp"):
        simcore.simulate(ranks)
