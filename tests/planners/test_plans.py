"""Enumeration of plans: exactly the valid ones, however they are cut into chunks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import simcore
from planners.plans import PlanGrid
from planners.summary import SweepSummary
from planners.sweep import prepare
from simcore.result import ResultTable
from tests.shared import ROOT

MODEL = simcore.resolve("model", "llama-3.1-70b")


def test_every_valid_plan_once() -> None:
    grid = PlanGrid({"chips": [4, 6], "tp": [1, 2, 3], "pp": [1, 2], "batch": [1, 2]})
    found = [
        c
        for chunk in grid.chunks(MODEL, 8, 5)
        for c in zip(*(chunk[n] for n in ("tp", "pp", "dp", "batch")), strict=True)
    ]
    expected = [
        (tp, pp, chips / (tp * pp), b)
        for chips, tp, pp, b in itertools.product([4, 6], [1, 2, 3], [1, 2], [1, 2])
        if chips % (tp * pp) == 0 and 64 % tp == 0 and b >= pp
    ]
    assert sorted(found) == sorted((float(a), float(b), float(c), float(d)) for a, b, c, d in expected)


def test_too_few_chips_leave_nothing() -> None:
    assert list(PlanGrid({"chips": [16]}).chunks(MODEL, 8, 100)) == []


@pytest.mark.parametrize("chunk", [7, 100_000])
def test_a_sweep_does_not_depend_on_its_chunks(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planners.sweep.CHUNK", chunk)
    question = simcore.read(ROOT / "examples" / "llama-70b-azure.toml")
    small = {"plan.chips": [1, 4], "traffic.batch": [1, 8, 32], "plan.pp": [1]}
    sweep = prepare(question.set({"vary": {**question.vary, **small}}))
    summary = SweepSummary(sweep.study)
    for table in sweep.tables():
        summary.add(table)
    assert summary.evaluated == 5 * 4 * 3 * (1 + 3)
    assert summary.frontier is not None and summary.best is not None
    costs = summary.frontier["usd_per_million_tokens"]
    assert np.all(np.diff(costs) > 0) and np.all(np.diff(summary.frontier["tpot_s"]) < 0)
    assert len(summary.best) == len({(r.system, r.weights, r.chips) for r in summary.best.rows()})


def test_plans_that_share_a_prefill_are_priced_as_each_alone() -> None:
    """Plans whose prefills are all the same beside one another: what is counted once serves every row."""
    asked = simcore.scenario("deepseek-r1", "dgx-b200", stack="trtllm", batch=64, input_tokens=900, output_tokens=900)
    axes = {"plan.tp": [1], "plan.attention_dp": [4, 8], "plan.ep": [4, 8], "traffic.batch": [64, 256]}
    formats = {"plan.weights": "bf16", "plan.experts": "fp4", "plan.kv": "fp8", "policy.expert_kernels": "sglang"}
    asked = asked.set(formats)
    tables: list[ResultTable] = []
    prepare(asked.set({"vary": axes})).run(tables.append)
    rows = [row for table in tables for row in table.rows() if row.ep == row.attention_dp]
    for row in rows:
        keys = {"plan.attention_dp": int(row.attention_dp), "plan.ep": int(row.ep), "traffic.batch": int(row.batch)}
        alone = simcore.estimate(asked.set(keys))
        assert (row.tpot_s, row.ttft_s) == (alone.tpot_s, alone.ttft_s)
    assert len(rows) == 4
