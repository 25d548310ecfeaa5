"""Throughput and board power of measured servers: rows, scenarios, windows; the open table where it is at hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scenarios.read import from_raw
from scenarios.run import ready
from simcore.errors import InputError
from tests.shared import shared
from validation.energy.fit import solve
from validation.energy.proof import answers, scored
from validation.energy.question import lognormal, requests_of, scenario_tables
from validation.energy.replay import Replayer, power_w, tokens_until, window
from validation.energy.rows import read_rows
from validation.models import Models

ROW = {
    "task": "lm-arena-chat",
    "model": "Qwen/Qwen3-30B-A3B-Instruct-2507",
    "chip": "h100-sxm",
    "chips": 2,
    "tp": 1,
    "ep": 2,
    "dp": 1,
    "weights": "bfloat16",
    "max_num_seqs": 32,
    "mean_output_tokens": 150.0,
}


def test_a_row_is_a_scenario() -> None:
    row = read_rows(pd.DataFrame([ROW]), Models())[0]
    assert row.group == "experts" and row.spec.name == "qwen3-30b-a3b"
    tables = scenario_tables(row)
    assert tables["plan"] == {"tp": 2, "ep": 2, "kv": "bf16"}
    assert tables["traffic"]["requests"] == requests_of(row) == 1024
    assert ready(from_raw(tables, "row.toml")).resolved.stack.effects == "vllm-0.11"  # type: ignore[union-attr]


def test_an_unknown_model_is_a_reason_and_a_missing_column_an_error() -> None:
    rows = read_rows(pd.DataFrame([ROW | {"model": "no/such-model"}]), Models())
    assert "no/such-model" in answers(rows, held_out=False)[0].reason
    with pytest.raises(InputError, match="max_num_seqs"):
        read_rows(pd.DataFrame([ROW]).drop(columns="max_num_seqs"), Models())


def test_the_lognormal_law_has_the_mean_that_was_asked() -> None:
    median, p90 = lognormal(300.0, 0.9)
    sigma = np.log(p90 / median) / 1.2815515655446004
    assert median * np.exp(sigma**2 / 2) == pytest.approx(300.0)


def test_the_series_of_power_integrates_to_the_joules_of_the_run() -> None:
    """Board power over the whole run times its length is the energy of its steps."""
    row = read_rows(pd.DataFrame([ROW]), Models())[0]
    run = Replayer().ready(row).run()
    end_s = float(run.replicas["series_end_s"].max())
    start_s, full_s = window(run, row.most)
    assert 0.0 < start_s < full_s < end_s
    width_s = float(run.replicas["series_width_s"].max())
    bins = int(end_s / width_s) + 1
    assert power_w(run, 0.0, 0.0) * bins * width_s == pytest.approx(float(run.replicas["energy_j"].sum()), rel=0.02)
    assert tokens_until(run, end_s) == pytest.approx(float(run.requests["output_tokens"].sum()))


def test_the_robust_solution_ignores_one_wrong_row() -> None:
    slopes = np.ones((21, 1))
    left = np.full(21, -0.2)
    left[-1] = 3.0
    found = solve(left, slopes, np.zeros(1), np.zeros(1), 1e-6)
    assert found[0] == pytest.approx(0.2, abs=0.02)


def test_left_out_architectures_are_predicted() -> None:
    """Every tenth chat and code row, its architecture left out of the fit."""
    frame = pd.read_csv(shared("measured/serving/power_and_itl.csv"))
    rows = read_rows(frame, Models())
    kept = [at for at, row in enumerate(rows) if row.group in ("dense", "experts")][::10]
    report = scored([rows[at] for at in kept], answers([rows[at] for at in kept], held_out=True), frame.iloc[kept])
    for group, most in (("dense", 0.10), ("experts", 0.15)):
        assert report[group]["output_tokens_per_s"]["median"] < most
        assert report[group]["chip_power_w"]["median"] < 0.12
