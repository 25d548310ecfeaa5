"""Which calibration answers for which row: one that left the row's model or chip out, and nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from simcore.errors import InputError
from validation.models import Models
from validation.serving.rows import Question, read_row
from validation.serving.shelved import by_folder, still_seen

ROW = {"id": "x_c8_", "backend": "vllm", "precision": "fp8", "mode": "agg", "isl": 1024, "osl": 1024, "tp_size": 8}


def asked(model: str, system: str) -> Question:
    question = read_row({**ROW, "model_path": model, "system": system}).question
    assert question is not None
    return question


R1, DENSE = asked("deepseek-ai/DeepSeek-R1", "h200_sxm"), asked("Qwen/Qwen3-32B", "h100_sxm")


def folder(place: Path, chips: str = "", models: str = "") -> Path:
    place.mkdir()
    (place / "without.toml").write_text(f"chips = [{chips}]\nmodels = [{models}]\n")
    return place


def test_each_row_goes_to_the_folder_that_has_not_seen_it(tmp_path: Path) -> None:
    r1 = folder(tmp_path / "r1", models="[7168, 2048, 256, 8]")
    h100 = folder(tmp_path / "h100", chips='"h100-sxm"')
    both = [R1, DENSE]
    assert by_folder(both, [r1, h100], "model", Models()) == {r1: [R1], None: [DENSE]}
    assert by_folder(both, [r1, h100], "system", Models()) == {None: [R1], h100: [DENSE]}
    assert by_folder(both, [r1, h100], "curve", Models()) == {None: both}
    assert still_seen(both, [r1], "model", Models()) == 0  # no table names a dense model
    assert still_seen(both, [], "model", Models()) == 1
    assert still_seen(both, [h100], "system", Models()) == 1


def test_a_whole_calibration_answers_for_all_rows(tmp_path: Path) -> None:
    one, two = folder(tmp_path / "one"), folder(tmp_path / "two")
    assert by_folder([R1], [one], None, Models()) == {one: [R1]}
    with pytest.raises(InputError, match="several"):
        by_folder([R1], [one, two], "curve", Models())
