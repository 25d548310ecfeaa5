"""What the matrix units' peak allows a replica in its steady state, however short the answers are."""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.cost.machine import Machine
from simcore.ops.op import Column, PlanColumns
from simcore.spec.demand import Demand
from simcore.spec.model import ModelSpec


def request_flop(model: ModelSpec, demand: Demand) -> float:
    """Useful FLOP of the matrices of one request, 2 per weight and token."""
    output, inputs = demand.output.mean_tokens, demand.input.mean_tokens
    return 2.0 * (model.layer_matrix_elements * (inputs + output) + model.head_elements * output)


def within_peak(
    times: dict[str, Column], setting: Any, machine: Machine, plan: PlanColumns, batch: Column
) -> dict[str, Column]:
    """The steady state with prompts that queue where a replica would else do more FLOP/s than its chips' peak.

    b requests in flight take b x FLOP / (chips x peak) at least. It binds where answers are so short that the decodes,
    which carry the wait for the others' prompts, are none: one-token answers of large batches.
    """
    peak_flop_per_s = machine.matrix_flop_per_s * plan.chips / plan.dp
    least_s = batch * request_flop(setting.model, setting.demand) / peak_flop_per_s
    wait_s = np.maximum(least_s - times["e2e_s"], 0.0)
    e2e_s = times["e2e_s"] + wait_s
    rate = batch * setting.demand.output.mean_tokens / e2e_s
    return times | {"ttft_s": times["ttft_s"] + wait_s, "e2e_s": e2e_s, "replica_tokens_per_s": rate}
