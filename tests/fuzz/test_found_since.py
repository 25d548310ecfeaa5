"""What spoilt inputs were taken or crashed on since the new keys: each is one line with the key now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cli import mount
from scenarios.read import read
from scenarios.toml import dumps
from simcore.calibration.importers.vllm_run import stated_engine
from simcore.cost.artefact_io import from_arrays
from simcore.cost.trees import pack, unpack
from simcore.errors import InputError
from simcore.spec.load import read_arrays

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


def test_a_clock_of_zero(tmp_path: Path) -> None:
    load = {"input_tokens": 64, "output_tokens": 8, "requests": 4, "rate_per_s": 1.0}
    with pytest.raises(InputError, match=r"power.clock_ratios.1"):
        asked(tmp_path, "simulate", {"traffic": load, "power": {"clock_ratios": [1.0, 0, 0.5]}})


@pytest.mark.parametrize("text", ["2", "[1]", "{}", "'{\"num_speculative_tokens\": -1}'", "'" + "[" * 9000 + "'"])
def test_what_a_server_is_told_is_an_object_of_a_count(tmp_path: Path, text: str) -> None:
    launch = {"policy": {"launch": f"vllm serve --speculative-config {text}"}}
    with pytest.raises(InputError, match=r"speculative|draft_tokens"):
        asked(tmp_path, "simulate", launch)


def test_a_row_without_a_group_is_no_row() -> None:
    from simcore.calibration.learnt import train

    rows = [{"device": "ab"[at % 2], "size": 1.0 + at % 9, "time": 2.0 + at % 9} for at in range(60)]
    whole = train(pd.DataFrame(rows), "time", ["size"], "device")[1]
    rows.append({"device": None, "size": 3.0, "time": 900.0})
    assert train(pd.DataFrame(rows), "time", ["size"], "device")[1] == whole


@pytest.mark.parametrize("spoilt", ["flip", "cut"])
def test_a_spoilt_calibration_is_one_line(tmp_path: Path, spoilt: str) -> None:
    import shutil

    from hardware_specs import calibration, shelves

    base, mine = Path(__file__).parents[2] / "hardware_specs/calibration/l40s", tmp_path / "l40s"
    mine.mkdir()
    shutil.copy(base / "vllm.toml", mine)
    data = bytearray((base / "vllm.npz").read_bytes())
    if spoilt == "flip":
        data[200:400] = bytes(200)
    else:
        del data[len(data) // 2 :]
    (mine / "vllm.npz").write_bytes(data)
    with shelves.using([tmp_path]), pytest.raises(InputError, match=r"vllm\.npz"):
        calibration("l40s", "vllm").predict("gemm", {"m": [64.0], "n": 512.0, "k": 512.0})


@pytest.mark.parametrize("flags", ["--x {user}", "--x {", "--x {users!r}", "--x {users:9d}", "--x {}"])
def test_flags_name_numbers_that_a_row_has(flags: str) -> None:
    from validation.serving.launches import parsed

    text = f'[[launch]]\nwhen = {{ stack = "vllm" }}\nflags = "{flags}"\nscript = "x"\n'
    with pytest.raises(InputError, match=r"launch\.0\.flags"):
        parsed(text, "launches.toml")


@pytest.mark.parametrize("verb", ["sweep", "search"])
def test_an_axis_of_one_value_again_and_again(tmp_path: Path, verb: str) -> None:
    with pytest.raises(InputError, match=r"vary\.traffic\.batch.*twice"):
        asked(tmp_path, verb, {"vary": {"traffic.batch": [1] * 500}, "objective": {"minimise": ["tpot_p50_s"]}})


def test_a_study_of_one_value_again_and_again(tmp_path: Path) -> None:
    from commands.serving_study import read

    file = tmp_path / "s.toml"
    text = (Path(__file__).parents[2] / "examples/studies/sarathi.toml").read_text(encoding="utf-8")
    file.write_text(
        text + '[vary]\n"seed" = [1, 1]\n'
        if "[vary]" not in text
        else text.replace("[vary]", '[vary]\n"seed" = [1, 1]')
    )
    with pytest.raises(InputError, match=r"vary\.seed.*twice"):
        read(file)


def test_a_setting_below_any_servers() -> None:
    meta = {"model": "m", "resolved_config": {"parallel_config": {"data_parallel_rank": -5}}}
    with pytest.raises(InputError, match=r"parallel_config\.data_parallel_rank: -5"):
        stated_engine(meta, "meta.json")


@pytest.mark.parametrize(
    ("words", "said"),
    [([5.0], "32-bit words"), ([[1, 2]], "32-bit words"), ("whole", "input 40 of 2"), ("cut", "is cut")],
)
def test_trees_that_no_fit_wrote(words: Any, said: str) -> None:
    """A walk by compiled code would read beyond its arrays."""
    tree = pack(np.array([40, -1, -1]), np.array([2.5, -1.0, 4.0], np.float32))
    given = {"whole": tree, "cut": tree[:2]}[words] if isinstance(words, str) else np.array(words)
    with pytest.raises(InputError, match=said):
        unpack(given)(np.zeros((3, 2), np.float32))


@pytest.mark.parametrize("name", ["words", "spread", "parameters", "low_count", "kernel"])
def test_arrays_of_a_calibration_that_do_not_belong_together(name: str) -> None:
    arrays = read_arrays(Path(__file__).parents[2] / "hardware_specs/calibration/l40s/vllm.npz")
    spoilt = arrays[name].astype(float) if name in ("words", "low_count") else arrays[name][:-1]
    if name in ("spread", "parameters"):
        spoilt = np.full_like(arrays[name], np.nan)
    with pytest.raises(InputError, match=name):
        from_arrays({**arrays, name: spoilt}, {"schema": "calibration/1", "chip": "l40s", "stack": "vllm"}, "f.npz")


def test_an_axis_that_only_some_combinations_have(tmp_path: Path) -> None:
    """All combinations are rows of one table."""
    import simcore

    vary = {
        "hardware.system": ["h100-sxm", "dgx-h100-cxl"],
        "residency.kv": {"values": ["hbm", "cxl"], "when": {"hardware.system": ["dgx-h100-cxl"]}},
    }
    load = {"batch": 2, "input_tokens": 64, "output_tokens": 16}
    asked = simcore.scenario("llama-3.1-8b", "h100-sxm", stack="datasheet", **load)
    table = simcore.sweep(asked, vary=vary, out=tmp_path / "out").table
    assert list(table["residency.kv"]) == ["", "hbm", "cxl"]


def test_more_attention_replicas_than_tables_hold(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "examples" / "attention-ffn.toml").read_text(encoding="utf-8")
    (tmp_path / "s.toml").write_text(text.replace("replicas = 4", "replicas = 2147483647"), encoding="utf-8")
    with pytest.raises(InputError, match=r"attention_ffn\.replicas"):
        read(tmp_path / "s.toml")


def test_a_job_that_is_no_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"jobs\.tune\.training\.tune"):
        asked(tmp_path, "explain", {"jobs": [{"name": "tune", "step": "50 ms", "training": {"tune": [-1]}}]})


def test_a_ladder_of_clocks_with_a_hundred_thousand_rungs(tmp_path: Path) -> None:
    """Each would be priced."""
    with pytest.raises(InputError, match=r"power\.clock_ratios"):
        asked(tmp_path, "simulate", {"power": {"policy": "slo-slack", "clock_ratios": [1.0] * 100_000}})


def test_true_is_no_choice_among_numbers(tmp_path: Path) -> None:
    training = {"global_batch": 8, "sequence_tokens": 128, "zero": True}
    text = dumps({**{key: ASKED[key] for key in ("schema", "model", "hardware")}, "training": training})
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    run = CliRunner().invoke(mount(), ["train", str(tmp_path / "s.toml")])
    assert isinstance(run.exception, InputError) and "training.zero: true" in str(run.exception)


@pytest.mark.parametrize(("key", "value"), [("ttft_s_mean", 9.0), ("e2e_s_mean", None), ("output_tokens_asked", 1)])
def test_a_stage_whose_times_are_none(key: str, value: Any) -> None:
    from validation.models import Models
    from validation.stages.rows import read_stages

    row = {"model": "llama-3.1-8b", "chip": "h100-sxm", "tp": 1, "rate_per_s": 1.0, "requests": 8}
    row |= {"output_tokens_asked": 9, "input_tokens_median": 8, "ttft_s_mean": 1.0, "e2e_s_mean": 2.0, key: value}
    with pytest.raises(InputError, match=key):
        read_stages(pd.DataFrame([row]), Models())
