"""Profile this machine, calibrate, run a small transformer: all of it, small, on every machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import mount
from simcore.calibration.host import host_facts, host_model, operations
from simcore.calibration.host_numpy import CASES, SHAPE, Transformer
from simcore.errors import InputError


def run(*arguments: str) -> str:
    result = CliRunner().invoke(mount(), list(arguments))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_profile_calibrate_validate(tmp_path: Path) -> None:
    import json

    run("profile", "--device", "cpu", "--size", "small", "--out", str(tmp_path), "--quiet")
    facts = host_facts(tmp_path)
    assert facts.peak("fp32") > 1e8 and facts.memory_bytes_per_s > 1e8
    assert "gemm" in run("calibrate", "--tables", str(tmp_path))
    answer = json.loads(run("validate", "host", "--calibration", str(tmp_path), "--small", "--json"))
    for case in answer["cases"]:
        assert 0.05 < case["predicted_s"] / case["measured_s"] < 20


def test_the_prediction_counts_what_the_transformer_runs() -> None:
    shape, case = replace(SHAPE, layers=1), CASES[0]
    flop = sum(2 * c["m"] * c["n"] * c["k"] for op, c in operations(shape, case) if op == "gemm")
    weights = [w for name, w in Transformer(shape).layers[0].items() if name != "norm"]
    assert flop == 2 * case.batch * case.tokens * sum(w.size for w in weights)


def test_a_missing_profile_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no profile"):
        host_facts(tmp_path)
    with pytest.raises(InputError, match="no calibration"):
        host_model(tmp_path)
