"""Sampled steps against the analytic engine's: what grows with sequences, with formats, with ranks."""

from __future__ import annotations

import numpy as np
import pytest

import hardware_specs
import workloads
from scenarios.homes import joined
from scenarios.replays import operator_step_times
from simcore import api
from simcore.cost.machine import machine_of
from simcore.engine.ranks import split_experts
from simcore.ops.op import StepColumns, plan_columns
from simcore.spec.plan import ParallelPlan
from simcore.spec.policy import ServingPolicy
from simcore.step.price import Physics
from simcore.step.sample import physics_step_times
from simcore.step.times import StepTimes, Table
from simcore.step.totals import step_total
from tests.steps import scenario_physics, scenario_step_times

LLAMA = "llama-3.1-70b"


def at(table: Table, x: float) -> float:
    return float(np.interp(x, table.x.knots(), table.values))


def decode_s(times: StepTimes, batch: int, kv: int) -> float:
    """A step of decodes at a knot of the decode table."""
    table = times.decode_pure
    assert table.y is not None
    row, column = np.searchsorted(table.x.knots(), batch), np.searchsorted(table.y.knots(), kv)
    parts = at(times.dense_pure, batch) + at(times.head, batch) + at(times.communication, batch)
    return parts + float(table.values[row, column])


@pytest.mark.parametrize("chip", ["h100-sxm", "l40s"])
def test_many_decodes_gather_the_logits_of_all(chip: str) -> None:
    """With tp the gather of 256 sequences' logits is a hundred times that of one; the analytic engine counts it."""
    plan = ParallelPlan(tp=4)
    times = scenario_step_times(workloads.model(LLAMA), hardware_specs.chip(chip), plan, "datasheet")
    system = hardware_specs.system(chip)
    machine = machine_of(system, *plan.formats()[:3], ServingPolicy())
    physics = Physics(workloads.model(LLAMA), machine, api.cost_model(chip, "datasheet"))
    step = StepColumns(decode_sequences=np.array([256.0]), kv_tokens=np.array([1024.0]))
    whole = step_total(physics, plan_columns(plan, {}), step, graphs=True)
    assert decode_s(times, 256, 1024) == pytest.approx(float(np.max(whole.time_s)), rel=0.01)
    gather_s = at(times.head, 256) - at(times.head, 1)
    assert gather_s > 255 / 256 * 128_256 * 2 * 256 * 0.75 / system.levels[0].link.bytes_per_s


def test_energy_of_attention_dp_ranks_is_that_of_their_replica() -> None:
    """Four ranks of one chip draw what one replica of tp 4 draws idle, each a quarter."""
    model, chip = workloads.model("qwen3-30b-a3b"), hardware_specs.chip("h100-sxm")
    ranks = scenario_step_times(model, chip, ParallelPlan(attention_dp=4, ep=4), "datasheet")
    alone = scenario_step_times(model, chip, ParallelPlan(), "datasheet")
    assert ranks.idle_w == pytest.approx(alone.idle_w)
    whole = scenario_step_times(model, chip, ParallelPlan(tp=4), "datasheet")
    assert whole.idle_w == pytest.approx(4 * alone.idle_w)
    joules = [float(np.interp(2048, t.energy_mixed.x.knots(), t.energy_mixed.values[:, 0])) for t in (ranks, alone)]
    attention = [float(np.interp(2048, t.prefill.x.knots(), t.prefill.values[:, 0])) for t in (ranks, alone)]
    parts = [at(t.dense_mixed, 2048) + at(t.communication, 2048) + at(t.head, 1) for t in (ranks, alone)]
    spans = [part + own for part, own in zip(parts, attention, strict=True)]
    watts = [found / span_s for found, span_s in zip(joules, spans, strict=True)]
    assert max(watts) < chip.power.tdp_w


def test_narrow_kv_is_read_in_half_the_time() -> None:
    model, chip = workloads.model("llama-3.1-8b"), hardware_specs.chip("h100-sxm")
    wide, narrow = (scenario_step_times(model, chip, ParallelPlan(kv=kv), "vllm") for kv in ("bf16", "fp8"))
    assert decode_s(narrow, 256, 8192) < 0.75 * decode_s(wide, 256, 8192)


def test_gpus_without_a_common_home_are_joined_by_their_own_link() -> None:
    """The RTX PRO 6000's usual home holds one card: two of them still pay for their all-reduce."""
    chip = hardware_specs.chip("rtx-pro-6000")
    assert joined(chip, 1).levels == ()
    assert [level.size for level in joined(chip, 2).levels] == [2]
    assert joined(hardware_specs.chip("h100-sxm"), 8) == hardware_specs.system("h100-sxm")
    times = operator_step_times("llama-3.1-8b", {"system": chip.name}, {"tensor_parallel_size": 2})
    assert at(times.communication, 2048) > 64 * 2048 * 4096 * 2 / 64e9


def test_a_rank_and_the_experts_add_up_to_the_whole_step() -> None:
    """Four ranks of 64 decodes each: the rank's own part and the experts' for 256 tokens."""
    model, chip = workloads.model("qwen3-30b-a3b"), hardware_specs.chip("h100-sxm")
    plan = ParallelPlan(attention_dp=4, ep=4)
    physics, columns = scenario_physics(model, chip, plan, "vllm")
    whole = physics_step_times(physics, columns)
    parts = split_experts(whole, physics, columns, padded_tokens=512)
    for name in ("dense_pure", "dense_mixed", "communication"):
        own, shared = at(getattr(parts.own, name), 64.0), at(getattr(parts.shared, name), 256.0)
        assert own + shared == pytest.approx(at(getattr(whole, name), 64.0), rel=1e-6)
        assert shared > 0.0 and own >= 0.0
    assert at(parts.shared.dense_pure, 256.0) > at(parts.own.dense_pure, 64.0)
    assert parts.padded_tokens == 512
