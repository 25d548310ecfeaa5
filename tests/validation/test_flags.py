"""Flags of a row's server replace the recipe's guesses, its own plan stays; public scripts fill in for open rows."""

from __future__ import annotations

import pytest

from simcore.errors import InputError
from validation.models import Models
from validation.serving.launches import flagged, launches, numbers
from validation.serving.question import scenario_tables
from validation.serving.recipes import recipe
from validation.serving.rows import Question, read_row

ROW = {
    "id": "x_c64_",
    "backend": "vllm",
    "model_path": "meta-llama/Llama-3.1-70B",
    "system": "h200_sxm",
    "precision": "fp8",
    "mode": "agg",
    "isl": 1024,
    "osl": 1024,
    "tp_size": 4,
}


def asked(**more: object) -> Question:
    question = read_row({**ROW, **more}).question
    assert question is not None
    return question


def tables(question: Question) -> dict[str, dict[str, object]]:
    return scenario_tables(question, recipe(question.stack), Models())


@pytest.mark.parametrize("start", ["", "vllm serve meta-llama/Llama-3.1-70B "])
def test_flags_decide_and_the_plan_stays(start: str) -> None:
    flags = f"{start}--max-num-batched-tokens 3000 --kv-cache-dtype fp8 --tensor-parallel-size 8"
    found = tables(asked(server_flags=flags))
    assert found["policy"]["token_budget"] == 3000
    assert found["plan"]["kv"] == "fp8"
    assert found["plan"]["tp"] == 4
    assert tables(asked())["policy"]["token_budget"] != 3000


def test_rules_that_name_a_model_are_not_asked_where_flags_are_known() -> None:
    assert tables(asked())["plan"]["kv"] == "fp8"
    assert tables(asked(server_flags="--max-num-seqs 64"))["plan"]["kv"] == "bf16"


def test_what_no_server_takes_is_told() -> None:
    with pytest.raises(InputError, match="no value of that flag"):
        tables(asked(server_flags="--max-num-seqs many"))


def test_public_scripts_fill_in_a_rows_own_numbers() -> None:
    question = flagged(asked())
    assert "--max-num-seqs 64" in question.flags
    assert flagged(asked(server_flags="--max-num-seqs 3")).flags == "--max-num-seqs 3"
    assert flagged(asked(isl=4000)).flags == ""  # another client
    for one in launches():
        assert one.flags.format(**numbers(question))
        assert one.script


def test_a_trtllm_step_takes_one_prompt_beside_its_batch() -> None:
    found = tables(asked(backend="trtllm", model_path="deepseek-ai/DeepSeek-R1", tp_size=8))
    assert found["policy"]["token_budget"] == -(-(64 + 1024 + 64) // 64) * 64
