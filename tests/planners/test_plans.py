"""Enumeration of plans: exactly the valid ones, however they are cut into chunks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import simcore
from planners.plans import PlanGrid
from planners.summary import SweepSummary
from planners.sweep import prepare
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
