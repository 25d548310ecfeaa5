"""Load stages of a server as scenarios."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cli import mount
from commands.validate_stages import COLUMNS
from simcore.errors import InputError
from tests.shared import shared
from validation.models import Models
from validation.stages.proof import answer, errors
from validation.stages.rows import read_stages

ROW = {
    "model": "meta-llama/Llama-3.1-8B-Instruct",
    "chip": "h100-sxm",
    "tp": 1,
    "rate_per_s": 4.0,
    "requests": 60,
    "output_tokens_asked": 40,
    "input_tokens_median": 500.0,
    "input_tokens_min": 480.0,
    "input_tokens_max": 520.0,
    "system_prompts": 2,
    "users_per_system_prompt": 3,
    "system_prompt_tokens": 100,
}


def test_a_stage_is_a_scenario_and_its_prompts_repeat() -> None:
    stage = read_stages(pd.DataFrame([ROW]), Models())[0]
    assert stage.tables["traffic"]["shared_prefix"] == {"tokens": 100, "prompts": 2, "per_prompt": 3}
    found = answer(stage)
    assert 0.0 < found.tpot_mean_s < found.ttft_mean_s < found.e2e_mean_s <= found.e2e_p99_s


def test_measured_columns_move_nothing_and_an_unknown_model_is_a_reason() -> None:
    plain = read_stages(pd.DataFrame([ROW]), Models())
    assert read_stages(pd.DataFrame([ROW | {"ttft_s_mean": 1.0, "e2e_s_mean": 3.0}]), Models()) == plain
    assert "no/model" in answer(read_stages(pd.DataFrame([ROW | {"model": "no/model"}]), Models())[0]).reason
    with pytest.raises(InputError, match="rate_per_s"):
        read_stages(pd.DataFrame([ROW]).drop(columns="rate_per_s"), Models())


def test_a_model_from_a_folder_of_configs() -> None:
    models = Models(shared("models"))
    assert models.value("meta-llama/Llama-2-7b-hf").endswith("meta-llama--Llama-2-7b-hf.json")
    assert models("model", "Qwen/Qwen3-30B-A3B-Thinking-2507").is_moe
    with pytest.raises(InputError, match="is no folder"):
        Models(shared("models") / "none").value("x")


def test_the_large_model_keeps_its_time_per_token() -> None:
    frame = pd.read_csv(shared("measured/serving/vllm_h100_stages.csv"))
    frame = frame[frame["run"] == "llama-2-70b-hf-tp4-codegen"].reset_index(drop=True)
    stages = read_stages(frame, Models())
    told = errors(stages, [answer(stage) for stage in stages], frame)
    assert len(told) == 2 and all(abs(row["tpot"]) < 0.05 for row in told)


def test_the_table_is_never_written_over(tmp_path: Path) -> None:
    table = tmp_path / "stages.csv"
    pd.DataFrame([ROW]).to_csv(table, index=False)
    before = table.read_bytes()
    found = CliRunner().invoke(mount(), ["validate", "stages", "--table", str(table), "--out", str(table)])
    assert isinstance(found.exception, InputError) and "is what the command reads" in str(found.exception)
    assert table.read_bytes() == before
    other = tmp_path / "answers.csv"
    assert (
        CliRunner().invoke(mount(), ["validate", "stages", "--table", str(table), "--out", str(other)]).exit_code == 0
    )
    assert pd.read_csv(other).columns.tolist() == list(COLUMNS)
