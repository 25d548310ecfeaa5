"""`simcore train`: one plan from a file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import mount
from simcore.errors import InputError
from tests.shared import ROOT

FILE = str(ROOT / "examples" / "train-llama-8b.toml")


def train(*more: str, code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(mount(), ["train", FILE, *more, "--json"], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return dict(json.loads(done.stdout))


def test_a_step_is_the_sum_of_its_parts() -> None:
    found = train()
    assert found["feasible"] and found["step_time_s"] == pytest.approx(sum(found["parts_s"].values()))
    assert found["need_bytes"] == pytest.approx(
        sum(max(found["memory_by_rank_bytes"], key=lambda r: sum(r.values())).values())
    )
    assert 0.2 < found["mfu_ratio"] < 1.0


def test_out_of_memory_is_an_answer_with_classes() -> None:
    found = train("--set", "training.zero=0", "--set", "training.microbatch=8", code=1)
    assert not found["feasible"] and "does not fit" in found["reason"]
    assert found["optimizer_bytes"] > 80e9 and found["activations_bytes"] > 0


def test_a_plan_that_cannot_be_says_why() -> None:
    found = train("--set", "plan.tp=5", "--set", "plan.dp=1", code=1)
    assert "tp = 5 does not divide" in found["reason"]


def test_recomputation_trades_time_for_memory() -> None:
    plain, full = train(), train("--set", "training.recompute=full")
    assert full["step_time_s"] > 1.1 * plain["step_time_s"]
    assert full["activations_bytes"] < 0.3 * plain["activations_bytes"]
    assert full["mfu_ratio"] < plain["mfu_ratio"]


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(InputError, match=r"training.zerro: unknown key; did you mean zero"):
        CliRunner().invoke(mount(), ["train", FILE, "--set", "training.zerro=1"], catch_exceptions=False)
