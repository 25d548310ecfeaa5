"""Placement in tiers: bounds, the best of all coarse placements, closed forms, the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.tiers import best_in_parts, machine, placements
from cli import mount
from planners.tiers.problem import Tensors, Tier, TierProblem
from planners.tiers.solve import program, solve
from planners.tiers.step import Steps

FILE = """
schema = "scenario/2"
name = "tiers"
[model]
name = "llama-3.1-70b"
[hardware]
system = "dgx-h100-cxl"
stack = "roofline"
[traffic]
input_tokens = 4000
output_tokens = 500
batch = 16
"""


@pytest.mark.parametrize("seed", range(20))
def test_never_worse_than_all_placements_in_parts_of_a_fifth(seed: int) -> None:
    """By the task engine; `python -m benchmarks tiers` does it in tenths."""
    problem = machine(seed)
    found = solve(problem)
    assert found is not None and problem.fits(found.shares)
    assert found.bound_s <= found.step_s <= best_in_parts(problem, 5) * (1 + 1e-9)
    assert found.shares.sum(axis=1) == pytest.approx(1.0) and found.shares.min() >= 0.0
    assert Steps(problem).time_s(found.shares) == found.step_s


@pytest.mark.parametrize("seed", range(3))
def test_the_bound_holds_for_every_placement(seed: int) -> None:
    problem = machine(seed)
    found = program(problem)
    assert found is not None
    steps = Steps(problem)
    for shares in placements(problem.shape, 3):
        if problem.fits(shares):
            assert steps.time_s(shares) >= found[1] * (1 - 1e-9)


def test_one_tier_has_a_bound_too() -> None:
    """Without a choice the program has no whole numbers, of which HiGHS tells no bound."""
    problem = TierProblem(8, 1e-3, (Tensors("weights", 1e9, 1e9),), (Tier("main", 3e9),))
    found = solve(problem)
    assert found is not None and found.step_s == pytest.approx(8e-3) and found.gap_ratio == pytest.approx(0.0, abs=1e-6)


def test_one_class_on_one_link_is_the_closed_form() -> None:
    tiers = (Tier("main", 3e9), Tier("dram", 1e12, 50e9, latency_s=1e-6))
    problem = TierProblem(8, 1e-3, (Tensors("weights", 10e9, 10e9),), tiers)
    found = solve(problem)
    assert found is not None
    away = float(found.shares[0, 1])
    stream_s = away * 10e9 / 50e9
    assert found.step_s == pytest.approx(max(8e-3 + stream_s / 8, stream_s + 1e-3) + 1e-6, rel=1e-9)
    assert away * 10e9 * (1 - 2 / 8) == pytest.approx(7e9, rel=1e-6)


def test_what_fits_stays_and_what_fits_nowhere_is_told() -> None:
    tiers = (Tier("main", 11e9), Tier("dram", 1e12, 50e9))
    problem = TierProblem(8, 1e-3, (Tensors("weights", 10e9, 10e9),), tiers)
    found = solve(problem)
    assert found is not None
    assert np.allclose(found.shares, [[1.0, 0.0]]) and found.gap_ratio == pytest.approx(0.0, abs=1e-5)
    small = TierProblem(8, 1e-3, problem.classes, (Tier("main", 1e9), Tier("dram", 1e9, 50e9)))
    assert solve(small) is None


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "tiers.toml"
    file.write_text(FILE)
    runner = CliRunner()
    told = runner.invoke(mount(), ["plan", "tiers", str(file), "--json"])
    assert told.exit_code == 0, told.output
    answer = json.loads(told.output)
    assert answer["feasible"] and answer["step_s"] >= answer["bound_s"] > answer["all_main_step_s"]
    assert sum(answer["placement"]["weights"].values()) == pytest.approx(1.0)
    full = runner.invoke(mount(), ["plan", "tiers", str(file), "--set", "traffic.batch=100000"])
    assert full.exit_code == 1 and "all tiers together need" in full.output
