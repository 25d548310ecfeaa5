"""Choice of kernels and the physical cap of `OperatorCost`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simcore import api
from simcore.cost.machine import machine_of
from simcore.cost.operator_cost import CAP, fastest_s
from simcore.cost.roofline import kernel_cost
from simcore.ops.op import PlanColumns, StepColumns
from simcore.ops.transformer import lower

PLAN = PlanColumns(4.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 2.0, 2.0, 2.0)
STEP = StepColumns(decode_sequences=np.array([16.0]), kv_tokens=np.array([1024.0]))


def costs(stack: str, **fields: Any) -> dict[str, tuple[Any, float]]:
    """Operation name -> (operation, seconds) of a MiniMax decode step on B200."""
    model, system = api.resolve("model", "MiniMaxAI/MiniMax-M2.5"), api.resolve("system", "b200_sxm")
    machine = machine_of(system, "fp8-block", "fp8-block")
    cost = replace(api.cost_model(system.chip.name, stack), **fields)
    ops = lower(model, PLAN, STEP)
    bound = {op.name: kernel_cost(op, machine, True) for op in ops if op.kind in CAP}
    for op in ops:
        if op.kind in CAP:
            most_s, ratio = CAP[op.kind]
            roof_s = np.maximum(bound[op.name].compute_s, bound[op.name].memory_s)
            assert cost.costs([op], machine, PLAN, True)[0].time_s <= most_s + ratio * roof_s + 1e-12
    return {
        op.name: (op, float(np.max(c.time_s))) for op, c in zip(ops, cost.costs(ops, machine, PLAN, True), strict=True)
    }


@pytest.mark.parametrize("stack", ["vllm", "sglang", "trtllm"])
def test_no_kernel_is_far_slower_than_its_roofline(stack: str) -> None:
    found = costs(stack)
    assert found["qkv"][1] < 20e-6
    assert found["router"][1] < 20e-6


@pytest.mark.parametrize(("stack", "weights", "capped"), [("datasheet", "fp8", True), ("vllm", "bf16", False)])
def test_experts_on_hopper_are_capped_where_no_table_answers(stack: str, weights: str, capped: bool) -> None:
    model, system = api.resolve("model", "mixtral-8x22b"), api.resolve("system", "h100_sxm")
    machine, plan = machine_of(system, weights, weights), replace(PLAN, tp=np.array([8.0]), ep=np.array([8.0]))
    op = next(op for op in lower(model, plan, STEP) if op.kind == "moe")
    bound, (most_s, ratio) = kernel_cost(op, machine, True), CAP["moe"]
    limit_s = most_s + ratio * float(np.max(np.maximum(bound.compute_s, bound.memory_s)))
    time_s = float(np.max(api.cost_model(system.chip.name, stack).costs([op], machine, plan, True)[0].time_s))
    assert (time_s <= limit_s * (1 + 1e-9)) is capped


def test_skewed_routing_touches_fewer_experts_in_a_small_batch() -> None:
    skewed, even = (costs("vllm", distribution=how)["experts"] for how in ("power_law_1.01", "balanced"))
    assert skewed[1] < even[1]


def test_the_fastest_kernel_is_at_most_the_usual_one() -> None:
    cost = api.cost_model("b200-sxm", "trtllm")
    shape: dict[str, Any] = {"num_tokens": 16.0, "hidden_size": 7168.0, "inter_size": 2048.0, "topk": 8.0}
    shape |= {"num_experts": 256.0, "moe_tp_size": 1.0, "moe_ep_size": 4.0, "distribution": "balanced"}
    usual_s = cost.model.predict("moe", shape, "nvfp4").time_s
    assert fastest_s(cost.model, "moe", shape, "nvfp4", "fp8") < usual_s
