"""Laws that hold for every scenario, checked by hypothesis."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simcore
from simcore.api import cost_model
from simcore.cost.machine import machine_of
from simcore.cost.operator_cost import PEAKS
from simcore.cost.roofline import Roofline, peak_of
from simcore.engine import phases
from simcore.ops.op import StepColumns, plan_columns
from simcore.ops.transformer import lower
from simcore.spec.case import Case
from tests.strategies import scenarios

MODELS = {"roofline": lambda chip: Roofline(), "datasheet": lambda chip: cost_model(chip, "datasheet")}
models = st.sampled_from(sorted(MODELS))


def step_of(scenario: Case, decode: bool) -> StepColumns:
    if decode:
        return phases.decode_step(float(scenario.batch), scenario.demand)
    return phases.prefill_step(scenario.demand.input.mean_tokens)


def times(scenario: Case, decode: bool, model: str, **changes: float) -> tuple[list, list, object]:
    weights, experts, activations, _ = scenario.plan.formats()
    machine = machine_of(scenario.system, weights, experts, activations, scenario.policy).with_fields(**changes)
    plan = plan_columns(scenario.plan, {})
    ops = lower(scenario.model, plan, step_of(scenario, decode))
    return ops, MODELS[model](scenario.system.chip.name).costs(ops, machine, plan, decode), machine


def total(scenario: Case, decode: bool, model: str) -> float:
    ops, costs, _ = times(scenario, decode, model)
    return float(sum(np.max(op.count * cost.time_s) for op, cost in zip(ops, costs, strict=True)))


@settings(max_examples=60, deadline=None)
@given(scenarios(), st.booleans(), models)
def test_no_operation_beats_its_roofline(scenario: Case, decode: bool, model: str) -> None:
    ops, costs, machine = times(scenario, decode, model)
    for op, cost in zip(ops, costs, strict=True):
        if op.role == "none":
            continue
        fastest = max(machine.cache_bytes_per_s, machine.memory_bytes_per_s)
        bound = max(
            op.flop / peak_of(op, machine), op.stream_bytes / machine.memory_bytes_per_s, op.cache_bytes / fastest
        )
        assert np.all(cost.time_s >= bound * (1 - 1e-12)), op.name


@settings(max_examples=30, deadline=None)
@given(scenarios(), st.booleans(), models)
def test_one_rank_has_no_communication(scenario: Case, decode: bool, model: str) -> None:
    alone = scenario.replace(plan=scenario.plan.replace(tp=1, pp=1, dp=1))
    ops, costs, _ = times(alone, decode, model)
    assert all(np.all(np.asarray(cost.network_s) == 0) for cost in costs)
    assert not [op for op in ops if op.role == "none"]


@settings(max_examples=150, deadline=None)
@given(scenarios(), st.booleans(), st.floats(1.0, 8.0), models)
def test_more_bandwidth_or_peak_is_never_slower(scenario: Case, decode: bool, factor: float, model: str) -> None:
    _, before, machine = times(scenario, decode, model)
    faster = {name: getattr(machine, name) * factor for name in ("memory_bytes_per_s", "cache_bytes_per_s")}
    peaks = {n: getattr(machine, n) * factor for n in PEAKS}
    for change in [*({name: value} for name, value in faster.items()), peaks]:
        _, after, _ = times(scenario, decode, model, **change)
        assert sum(np.max(c.time_s) for c in after) <= sum(np.max(c.time_s) for c in before) * (1 + 1e-12)


@settings(max_examples=40, deadline=None)
@given(scenarios(), st.booleans(), st.integers(1, 4000), models)
def test_more_work_is_never_faster(scenario: Case, decode: bool, more: int, model: str) -> None:
    demand = scenario.demand
    lengths = {"input": demand.input.replace(mean_tokens=demand.input.mean_tokens + more)}
    longer = scenario.replace(demand=demand.replace(**lengths), batch=scenario.batch + more)
    before, after = (total(s, decode, model) for s in (scenario, longer))
    assert after >= before * (1 - 1e-9)


@settings(max_examples=25, deadline=None)
@given(scenarios())
def test_breakdown_sums_to_the_total_and_survives_json(scenario: Case) -> None:
    result = simcore.evaluator([scenario.system.chip.name]).one(scenario)
    if not result.infeasible:
        for phase, total in (("prefill", result.prefill_s), ("decode", result.decode_step_s)):
            assert sum(op.time_s for op in result.operations if op.phase == phase) == pytest.approx(total, rel=1e-9)
    plain = result.as_dict()
    assert json.loads(json.dumps(plain)) == json.loads(json.dumps(plain))


def test_the_breakdown_of_a_prompt_in_chunks_sums_to_its_prefill() -> None:
    load = {"input_tokens": 20000, "output_tokens": 100, "users": 1}
    question = simcore.scenario("llama-3.1-70b", "dgx-h100", tp=4, traffic=load)
    result = simcore.evaluator(["h100-sxm"]).one(question)
    parts_s = sum(op.time_s for op in result.operations if op.phase == "prefill")
    assert parts_s == pytest.approx(result.prefill_s, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(scenarios())
def test_infeasible_is_a_result_with_bytes(scenario: Case) -> None:
    result = simcore.evaluator([scenario.system.chip.name]).one(scenario)
    if result.infeasible and "need_bytes" in result.values:
        assert result.need_bytes > result.have_bytes or result.max_batch < scenario.batch
        assert "GB" in str(result.infeasible)
