"""The cases of earlier failures beside the checkout: each is refused in one line, or answered as its README says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.shared import shared
from tests.test_hard_to_break import simcore

REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "rel_01_study_runs_shell.toml": (("search", "{}", "--out", "out"), "allow-code"),
    "rel_02_power_two_classes_one_name.toml": (("plan", "power", "{}"), "chat"),
    "rel_03_segfault_1e12_input_tokens.toml": (("simulate", "{}"), "input_tokens"),
    "rel_04_1e12_output_tokens_in_6_ms.toml": (("simulate", "{}"), "output_tokens"),
    "rel_05_negative_step.toml": (("simulate", "{}"), "step"),
    "rel_06_nan_step.toml": (("simulate", "{}"), "step"),
    "rel_07_pause_nan_hangs.toml": (("simulate", "{}"), "pause"),
    "rel_13_extends_number.toml": (("estimate", "--model", "{}", "--chip", "h100-sxm"), "extends"),
    "rel_14_negative_hidden_size.toml": (("estimate", "--model", "{}", "--chip", "h100-sxm"), "hidden_size"),
    "rel_17_quantization_config_number.json": (("import-model", "{}"), "quantization_config"),
    "rel_18_serving_study_variant.toml": (("study", "{}"), "variants"),
    "rel_21_experts_ragged_loads.toml": (("plan", "experts", "{}"), "loads"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, said = REFUSED[name]
    monkeypatch.chdir(tmp_path)
    code, out, err = simcore(monkeypatch, capsys, *(word.format(shared(f"cases/{name}")) for word in words))
    lines = [line for line in err.splitlines() if "is scenario/1" not in line]
    assert code == 2 and not out and len(lines) == 1 and said in lines[0] and name in lines[0], err
    assert not list(tmp_path.rglob("SHOULD_NOT_EXIST"))


@pytest.mark.parametrize("name", ["rel_10_trace_inf_tokens", "rel_11_trace_blank_turn", "rel_12_trace_not_utf8"])
def test_traces_name_their_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = '[steps]\nprofile = "table"\nkv_blocks = 100\n'
    text = f'schema = "scenario/2"\nname = "t"\n{steps}[traffic]\ntrace = "{shared(f"cases/{name}.csv")}"\n'
    (tmp_path / "s.toml").write_text(text)
    code, _, err = simcore(monkeypatch, capsys, "simulate", tmp_path / "s.toml")
    assert code == 2 and f"{name}.csv:3" in err
    code, out, _ = simcore(monkeypatch, capsys, "simulate", tmp_path / "s.toml", "--skip-bad", "--json")
    assert code == 0 and json.loads(out)["skipped_rows"] == 1 and json.loads(out)["served"] == 1


def test_everybody_is_served(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    case = shared("cases/rel_08_static_batch_wait_loses_last_request.toml")
    code, out, _ = simcore(monkeypatch, capsys, "simulate", case, "--check", "--json")
    assert code == 0 and json.loads(out)["served"] == 1000


def test_titles_are_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = shared("cases/rel_09_script_in_title.toml")
    assert simcore(monkeypatch, capsys, "sweep", case, "--out", tmp_path / "o", "-q")[0] == 0
    assert "<script>alert" not in (tmp_path / "o" / "report.html").read_text(encoding="utf-8")


def test_bounds_are_computed_in_floats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = shared("cases/rel_15_power_overflows.toml")
    words = ("search", case, "--budget", "20", "--method", "random", "--out", tmp_path / "o", "--json")
    code, out, _ = simcore(monkeypatch, capsys, *words)
    assert code == 0 and json.loads(out)["feasible_evaluations"] > 0


def test_profiles_of_others_name_their_line(tmp_path: Path) -> None:
    from simcore.calibration.importers import importers
    from simcore.errors import InputError

    shutil.copy(shared("cases/rel_22_nccl_zero_time_all_reduce.txt"), tmp_path)
    with pytest.raises(InputError, match=r"all_reduce\.txt:6"):
        importers("nccl-tests")(tmp_path / "rel_22_nccl_zero_time_all_reduce.txt")
    (tmp_path / "meta.yaml").write_text("intermediate_size: 8\nnum_attention_heads: 2\nnum_key_value_heads: 2\n")
    for name, said in (
        ("19_layer_profile_dense_without_layer", "layer"),
        ("20_layer_profile_dense_negative_time", ":2"),
    ):
        shutil.copy(shared(f"cases/rel_{name}.csv"), tmp_path / "dense.csv")
        with pytest.raises(InputError, match=said):
            importers("llmservingsim-layers")(tmp_path)
