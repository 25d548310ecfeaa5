"""What was taken in silence or told badly when things stood in each other's place: one line with the key now."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import mount
from scenarios.toml import dumps
from simcore.errors import InputError
from tests.fuzz.test_found_since import ASKED
from tests.test_hard_to_break import simcore

SOUND = {**ASKED, "traffic": {"input_tokens": 64, "output_tokens": 8, "rate_per_s": 5.0, "requests": 4}}
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "true for a number": ("simulate", {"plan": {"tp": True}}, r"plan\.tp: true and false are no numbers"),
    "true among numbers": ("simulate", {"power": {"clock_ratios": [1.0, True]}}, "power.clock_ratios"),
    "a list for a number": ("simulate", {"plan": {"tp": [1]}}, r"plan\.tp: a list is not a whole number$"),
    "a number too small in a list": (
        "simulate", {"traffic": {**SOUND["traffic"], "input_tokens": [0, 9]}}, r"input_tokens\.0: 0 is not at least 1"),
    "a text for a table": ("simulate", {"traffic": "x"}, r"traffic: 'x' is not a table$"),
    "no table of two": ("estimate", {"plan": [1]}, r"plan: a list is not a table$"),
    "a date for a time": ("simulate", {"slo": {"ttft": [1]}}, r"slo\.ttft: a list has no unit"),
    "a key of our own": ("simulate", {"notes": ["x"]}, "notes: unknown key"),
    "a key beside a model's name": ("estimate", {"model": {"name": "llama-3.1-8b", "zzz": 1}}, r"model\.zzz"),
    "a scheduler that nobody knows": ("estimate", {"policy": {"scheduler": "zzz"}}, r"s\.toml: policy\.scheduler"),
    "an offload that nobody knows": ("estimate", {"policy": {"offload": "zzz"}}, r"policy\.offload"),
    "a power policy that nobody knows": ("simulate", {"power": {"policy": "zzz"}}, r"power\.policy"),
    "a link under a verb that has none": (
        "train", {"traffic": None, "training": {}, "hardware": {"system": "dgx-h100", "link": "x"}}, r"hardware\.link"),
    "a schedule that nobody knows": (
        "train", {"traffic": None, "training": {"recipe": "pretrain-bf16", "schedule": "zzz"}}, r"training\.schedule"),
    "prices by name": ("estimate", {"economics": {"name": "mine"}}, r"economics\.name"),
    "a price that explain does not ask": ("explain", {"economics": {"zzz": 1}}, r"economics\.zzz"),
    "a format that is none": ("estimate", {"plan": {"activations": "+3 ms"}}, r"plan\.activations"),
    "a format of one of several models": (
        "simulate", {"models": [{"name": "a", "plan": {"kv": "zzz"}}]}, r"models\.a\.plan\.kv"),
    "a table of a kernel's file": ("step", {"asked": {"decode": {}}, "chip": "l40s", "peak": 1}, "peak: unknown key"),
    "a file of another kind": ("step", {"schema": "tasks/1", "asked": {"decode_sequences": 4}}, "schema"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_was_taken_in_silence_or_told_badly(name: str, tmp_path: Path) -> None:
    verb, change, said = REFUSED[name]
    raw = {key: value for key, value in {**SOUND, **change}.items() if value is not None}
    file = tmp_path / "s.toml"
    file.write_text(dumps(raw), encoding="utf-8")
    run = CliRunner().invoke(mount(), [verb, str(file)])
    assert isinstance(run.exception, InputError) and "Input should" not in str(run.exception), run.output
    told = str(run.exception).replace(str(file), file.name)
    assert told.startswith("s.toml: ") and re.search(said, told), told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("estimate {s} --tp 1 --tp 2", "--tp: is given twice, as 1 and 2"),
        ("estimate {s} --sp --no-sp", "is given twice"),
        ("estimate {s} --set plan.tp=1 --set plan.tp=2", "--set plan.tp: is given twice"),
        ("simulate {s} --timeline rubbish --out {new}", "--timeline"),
        ("simulate {s} --timeline 0:1", "--timeline: goes into --out"),
        ("study show {csv}", "not valid TOML"),
        ("study show /dev/null", "is no study"),
        ("study show orca --variant x", "--variant"),
        ("search merge {new} {folder}", "holds no answers"),
        ("calibrate --tables {folder} --chip l40s --out {new}", "holds no table"),
        ("plan experts --trace {gz} --chips 2", "is not UTF-8"),
        ("learn {twice} --target t --inputs a", "two columns are called 'a'"),
        ("learn {longer} --target t --inputs a", "more fields than the header"),
        ("learn {csv} --target t --inputs a", "row 1: '1,5' is no number"),
        ("learn {folder} --target t --inputs a", "is a folder"),
        ("learn {missing} --target t --inputs a", "no such file"),
        ("validate agreement --table {csv} --ids /dev/zero", "larger than"),
        ("size --model m --on l40s --ttft 1s --tpot 1s --columns a=b", "--columns"),
        ("search {s} --vary plan.tp=1,2 --address x --budget 2", "--address"),
        ("estimate {s} --calibration {line}", "holds no calibrations"),
        ("estimate {s} --set plan.weights={gz}", "gz.json: line 1 is not UTF-8"),
        ("import-model {key}", "'model_type' stands twice"),
        ("import-model {s}", "is no model"),
        ("simulate {s} --set hardware.link=x", "hardware.link"),
    ],
)
def test_what_a_command_took_or_told_badly(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = {"s.toml": dumps(SOUND), "csv.csv": "a,t\n1,2\n\"1,5\",3\n" + "1,2\n" * 30, "twice.csv": "a,a,t\n1,2,3\n",
             "longer.csv": "a,t\n1,2,3\n", "key.json": '{"model_type": "a", "model_type": "b"}'}  # fmt: skip
    for name, text in sound.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "gz.json").write_bytes(b"\x1f\x8b\x08\0")
    (tmp_path / "folder").mkdir()
    known = {Path(name).stem: str(tmp_path / name) for name in (*sound, "gz.json", "folder", "missing.csv", "new")}
    asked_for = [word.format(**known, line="a\nb") for word in words.split()]
    monkeypatch.chdir(tmp_path)
    code, out, err = simcore(monkeypatch, capsys, *asked_for)
    assert code == 2 and not out and err.count("\n") == 1 and said in err, err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("simulate", {"seeds": 0}),
        ("estimate", {"system": 5}),
        ("estimate", {"system": "9" * 5000}),
        ("read", {"path": 1.5}),
        ("resolve", {"kind": set(), "name": "x"}),
        ("evaluator", {"systems": "h100-sxm"}),
        ("search", {"budget": "x", "vary": {"plan.tp": [1]}}),
        ("search", {"seed": -1, "vary": {"plan.tp": [1]}}),
        ("sweep", {"vary": 3}),
        ("size", {"model": "llama-3.2-1b", "on": True, "ttft": "1 s", "tpot": "1 s"}),
        ("size", {"model": "llama-3.2-1b", "on": ["l40s"], "ttft": "1 s", "tpot": "1 s", "rate_per_s": float("nan")}),
    ],
)
def test_python_is_told_which_argument(name: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    import simcore as face

    file = tmp_path / "s.toml"
    file.write_text(dumps(SOUND), encoding="utf-8")
    first = [file] if name in ("simulate", "search", "sweep") else ["llama-3.2-1b"] if name == "estimate" else []
    with pytest.raises(InputError):
        getattr(face, name)(*first, **arguments)


def test_layers_and_heads_of_a_config_fit() -> None:
    from tests.test_any_bytes import CONFIGS
    from workloads.importers.huggingface import import_model

    for kind, change in (
        ("deepseek_v3", {"first_k_dense_replace": 9}),
        ("llama", {"num_key_value_heads": 3}),
        ("llama", {"first_k_dense_replace": 9}),
    ):
        with pytest.raises((InputError, ValueError), match=r"first_k_dense|kv_heads"):
            import_model({**CONFIGS[kind], **change}, "x", "config.json")


def test_a_cell_that_is_no_number_names_its_row() -> None:
    import pandas as pd

    from validation.models import Models
    from validation.stages.rows import NUMBERS, read_stages
    from validation.training.trace import measured_ms

    row = dict.fromkeys(NUMBERS, 1.0) | {"model": "x", "chip": "x", "input_tokens_median": "5 ms"}
    with pytest.raises(InputError, match="row 0"):
        read_stages(pd.DataFrame([row]), Models())
    with pytest.raises(InputError, match="dur_us"):
        measured_ms(pd.DataFrame([{"dur_us": "1;2"}]))


def test_digits_without_end() -> None:
    from planners.training.uneven import read_links
    from simcore.calibration.tables import version_key

    assert version_key("9" * 200_000) == (10**18 - 1,)
    file = Path("/dev/null")
    with pytest.raises(InputError, match="no bandwidth matrix"):
        read_links(file)


@pytest.mark.parametrize("value", ["-1", "nan", "x"])
def test_an_option_is_told_in_our_words(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = simcore(monkeypatch, capsys, "plan", "power", "x.toml", "--time-limit", value)
    assert code == 2 and "--time-limit" in err and "Input should" not in err, err
