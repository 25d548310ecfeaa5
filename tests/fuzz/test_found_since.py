"""What spoilt inputs were taken or crashed on since the new keys: each is one line with the key now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import mount
from scenarios.toml import dumps
from simcore.calibration.importers.vllm_run import stated_engine
from simcore.errors import InputError

ASKED = {
    "schema": "scenario/2",
    "model": {"name": "llama-3.1-8b"},
    "hardware": {"system": "dgx-h100"},
    "traffic": {"input_tokens": 64, "output_tokens": 8, "batch": 1},
}


def asked(tmp_path: Path, verb: str, more: dict[str, Any]) -> None:
    file = tmp_path / "s.toml"
    file.write_text(dumps({**ASKED, **more}), encoding="utf-8")
    run = CliRunner().invoke(mount(), [verb, str(file)])
    assert run.exception is not None
    raise run.exception


def test_a_precision_that_is_a_list(tmp_path: Path) -> None:
    training = {"global_batch": 8, "sequence_tokens": 128, "precision": [1, [2]]}
    with pytest.raises(InputError, match="precision"):
        asked(tmp_path, "train", {"training": training})


def test_more_copies_of_a_model_than_an_engine_holds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="copies"):
        asked(tmp_path, "simulate", {"models": [{"name": "many", "copies": 150_000_000}, {"name": "one"}]})


def test_a_loss_of_a_format_that_is_not_asked_for(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "examples" / "plan-precision.toml").read_text(encoding="utf-8")
    assert "[precision.loss]" in text
    file = tmp_path / "s.toml"
    file.write_text(text.replace("[precision.loss]", "[precision.loss]\nw4a4 = nan"), encoding="utf-8")
    run = CliRunner().invoke(mount(), ["plan", "precision", str(file)])
    assert isinstance(run.exception, InputError)


@pytest.mark.parametrize("size", [-1, 0, "two", 1.5])
def test_a_size_that_another_block_overrules(size: object) -> None:
    meta = {
        "model": "m",
        "engine_kwargs": {"tensor_parallel_size": 1},
        "resolved_config": {"parallel_config": {"tensor_parallel_size": size}},
    }
    with pytest.raises(InputError, match="not a count"):
        stated_engine(json.loads(json.dumps(meta)), "meta.json")
