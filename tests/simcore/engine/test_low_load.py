"""Two engines, one physics: with one request at a time the event engine equals the analytic one."""

from __future__ import annotations

import numpy as np
import pytest

from simcore.engine.serving import serve
from simcore.engine.settings import ReplicaSettings
from simcore.spec.traffic import Trace
from tests.cases import estimated
from tests.steps import scenario_step_times


@pytest.mark.parametrize(("chip", "tp"), [("h100-sxm", 4), ("a100-sxm", 8), ("b200-sxm", 2)])
@pytest.mark.parametrize(("inputs", "outputs"), [(1000, 200), (4096, 64), (300, 500)])
def test_ttft_and_tpot_agree_within_two_per_cent(chip: str, tp: int, inputs: int, outputs: int) -> None:
    import hardware_specs
    import workloads
    from simcore.spec.plan import ParallelPlan

    told = estimated("llama-3.1-70b", chip, tp=tp, batch=1, input_tokens=inputs, output_tokens=outputs)
    plan = ParallelPlan(tp=tp)
    times = scenario_step_times(workloads.model("llama-3.1-70b"), hardware_specs.chip(chip), plan, "datasheet")
    apart = Trace(np.arange(5) * 1000.0, np.full(5, inputs), np.full(5, outputs))
    rows = serve(apart, times, ReplicaSettings()).requests
    ttft_s = rows["first_token_s"] - rows["arrival_s"]
    tpot_s = (rows["done_s"] - rows["first_token_s"]) / (outputs - 1)
    assert ttft_s == pytest.approx(told.ttft_s, rel=0.02)
    assert tpot_s == pytest.approx(told.tpot_s, rel=0.02)
