"""Uneven stages against every split of small problems; groups against their bounds; commands on a file."""

from __future__ import annotations

import json
from itertools import combinations, permutations, product
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cli import mount
from planners.training.groups import Sequences, plan_groups
from planners.training.stages import Stages, plan_stages, step_s
from tests.shared import ROOT

FILE = str(ROOT / "examples" / "train-llama-70b.toml")


def problem(seed: int) -> Stages:
    draw = np.random.default_rng(seed)
    ranks, layers = 3, 9
    send = draw.uniform(1e-4, 2e-3, (ranks, ranks))
    return Stages(
        draw.uniform(0.02, 0.05, layers), np.full(layers, 1.0), np.full(layers, 0.2), draw.choice([0.5, 1.0], ranks),
        draw.uniform(5.0, 9.0, ranks), (send + send.T) / 2.0, 8,
    )  # fmt: skip


def fits(one: Stages, order: tuple[int, ...], layers: tuple[int, ...]) -> bool:
    for stage, (rank, count) in enumerate(zip(order, layers, strict=True)):
        if count * (1.0 + 0.2 * min(one.ranks - stage, 8)) > one.have_bytes[rank]:
            return False
    return True


@pytest.mark.parametrize("seed", range(4))
def test_stages_are_near_the_best_of_all(seed: int) -> None:
    one = problem(seed)
    found, best = plan_stages(one), np.inf
    for cuts in combinations(range(1, 9), 2):
        layers = (cuts[0], cuts[1] - cuts[0], 9 - cuts[1])
        for order in permutations(range(3)):
            if fits(one, order, layers):
                best = min(best, step_s(one, list(order), layers))
    if found is None:
        assert best == np.inf
        return
    assert fits(one, found.order, found.layers) and sum(found.layers) == 9
    assert best <= found.time_s <= 1.05 * best
    assert found.bound_s <= best * (1 + 1e-9)


def test_equal_ranks_get_equal_layers() -> None:
    ones = np.ones(12)
    found = plan_stages(Stages(0.1 * ones, ones, 0 * ones, np.ones(4), np.full(4, 99.0), np.zeros((4, 4)), 16))
    assert found is not None and found.layers == (3, 3, 3, 3) and found.time_s == pytest.approx(found.even_s)


def test_groups_beat_equal_ones_and_respect_the_bound() -> None:
    draw = np.random.default_rng(0).lognormal(8.5, 1.2, 64)
    tokens = tuple(int(x) for x in np.clip(draw, 256, 120000) // 256 * 256)
    one = Sequences(tokens, 16, 16384.0, 4e-11, 2e-6, 3e-7)
    found = plan_groups(one)
    assert found is not None and found.bound_s <= found.time_s <= found.uniform_s
    assert sorted(t for _, own in found.groups for t in own) == sorted(tokens)
    assert all(max(own, default=0) <= degree * 16384 for degree, own in found.groups)
    assert found.time_s < 0.95 * found.uniform_s and found.gap_ratio < 0.03


def test_groups_of_a_small_batch_are_the_best() -> None:
    one = Sequences((1000, 2000, 3000, 4000), 2, 1e9, 0.0, 1e-6, 0.0)
    found, best = plan_groups(one), np.inf
    for where in product((0, 1), repeat=4):
        best = min(best, max(sum(t for t, g in zip(one.tokens, where, strict=True) if g == k) for k in (0, 1)) * 1e-6)
    assert found is not None and found.time_s == pytest.approx(best)


def test_the_commands_answer(tmp_path: Path) -> None:
    run = CliRunner().invoke
    more = ["--set", "plan.pp=4", "--set", "plan.vpp=1", "--speeds", "1,1,0.5,1", "--json"]
    found = json.loads(run(mount(), ["plan", "stages", FILE, *more], catch_exceptions=False).stdout)
    assert sum(found["stage_layers"]) == 80 and found["pipeline_s"] < found["even_pipeline_s"]
    example = str(ROOT / "examples" / "train-llama-8b.toml")
    more = ["--lengths", "16x2048,2x32768", "--json"]
    found = json.loads(run(mount(), ["plan", "groups", example, *more], catch_exceptions=False).stdout)
    assert found["feasible"] and found["gap_ratio"] >= 0
