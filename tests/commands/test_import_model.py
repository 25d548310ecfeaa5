"""`simcore import-model`: what it prints, writes and refuses."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import simcore
import workloads
from cli import mount
from scenarios.resolved import resolve
from simcore.errors import InputError

FILE = {
    "model_type": "llama",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 8,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny-model" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(FILE))
    return path


def test_prints_a_model_file(config: Path) -> None:
    found = CliRunner().invoke(mount(), ["import-model", str(config), "--quiet"])
    assert found.exit_code == 0
    table = tomllib.loads(found.stdout)
    assert table["name"] == "tiny-model" and table["layers"][0]["count"] == 8


def test_writes_what_estimate_reads(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.toml"
    found = CliRunner().invoke(mount(), ["import-model", str(config.parent), "--out", str(out), "--name", "mine"])
    assert found.exit_code == 0, found.output
    assert workloads.model_or_file(str(out)).parameters == workloads.model_or_file(str(config)).parameters
    by_path, by_file = (simcore.estimate(str(p), "h100-sxm", batch=4) for p in (config, out))
    assert by_path.tpot_s == by_file.tpot_s > 0


def test_json(config: Path) -> None:
    found = CliRunner().invoke(mount(), ["import-model", str(config), "--json", "--quiet"])
    assert json.loads(found.stdout)["hidden_size"] == 1024


def test_refusals_name_file_and_key(config: Path) -> None:
    config.write_text(json.dumps({**FILE, "model_type": "novel"}))
    with pytest.raises(InputError, match=r"config.json: model_type: unknown architecture 'novel'"):
        CliRunner().invoke(mount(), ["import-model", str(config)], catch_exceptions=False)
    config.write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        CliRunner().invoke(mount(), ["import-model", str(config)], catch_exceptions=False)


def test_checkpoint_formats_are_the_defaults() -> None:
    """gpt-oss ships bf16 attention and mxfp4 experts; named weights hold for both."""

    def formats(model: str, chip: str, **more: str) -> tuple[str, ...]:
        return resolve(simcore.scenario(model, chip, **more)).plan.formats()

    assert formats("gpt-oss-120b", "h200-sxm") == ("bf16", "mxfp4", "bf16", "bf16")
    assert formats("gpt-oss-120b", "h200-sxm", weights="fp8")[:2] == ("fp8", "fp8")
    assert formats("qwen3-32b-nvfp4", "b200-sxm") == ("fp4", "fp4", "bf16", "fp8")
