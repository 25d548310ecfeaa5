"""Inputs that once broke something, each refused in one line since: a shipped file with some keys changed."""

from __future__ import annotations

import copy
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simcore.errors import InputError
from simcore.spec.load import read_toml
from tests.fuzz.mutate import as_toml
from tests.shared import ROOT
from tests.test_any_bytes import CONFIGS
from tests.test_hard_to_break import simcore

CHAT, SWEEP = "examples/chat-70b.toml", "examples/llama-70b-azure.toml"
POWER = "examples/power-row.toml"
Change = dict[str, Any]
SPOILT: dict[str, tuple[str, str, Change, str]] = {
    "clocks named again": ("plan power", POWER, {"clock_ratios": [1] * 5000}, "clock_ratios"),
    "a unit without peaks": ("estimate --model llama-3.1-8b --chip", "hardware_specs/chips/a100-pcie-80gb.toml",
                             {"compute.tensor.peak": {}}, "compute.tensor.peak"),
    "a law that no verb reads": ("simulate", CHAT, {"laws": {"hardware.chip.money.purchase": "1e999 + 2"}}, "laws"),
    "a law with inf": ("simulate", CHAT, {"laws": {"hardware.chip.money.purchase": "inf * 2"}}, "laws"),
    "a constraint that no verb reads": ("simulate", CHAT, {"objective": {"constraints": ["().x"]}}, "constraints"),
    "values that are no list": ("sweep", SWEEP, {"vary": {"plan.tp": {"values": 5}}}, "vary.plan.tp.values"),
    "turns without end": ("simulate", CHAT, {"traffic.turns": 10**8}, "traffic"),
    "a trace of nobody's": ("simulate", CHAT, {"traffic": {"trace": "~nobody-here/t.csv"}}, "t.csv"),
    "a model of nobody's": ("simulate", CHAT, {"model.name": "~nobody-here/config.json"}, "config.json"),
    "copies without end": ("simulate", CHAT, {"traffic.copies": 10**9}, "traffic"),
}  # fmt: skip


def changed(raw: dict[str, Any], changes: Change) -> dict[str, Any]:
    raw = copy.deepcopy(raw)
    for key, value in changes.items():
        here, (*way, last) = raw, key.split(".")
        for part in way:
            here = here.setdefault(part, {})
        here[last] = value
    return raw


@pytest.mark.parametrize("name", SPOILT)
def test_what_broke_once_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, base, changes, said = SPOILT[name]
    raw = changed(read_toml((ROOT / base).read_text(encoding="utf-8"), base), changes)
    (tmp_path / "s.toml").write_text(as_toml(raw), encoding="utf-8")
    code, out, err = simcore(monkeypatch, capsys, *words.split(), tmp_path / "s.toml")
    assert code == 2 and not out and err.count("\n") == 1 and said in err, err


CONFIG: dict[str, Change] = {
    "expand": {"expand": -2.5},
    "num_logits_to_keep": {"num_logits_to_keep": -1e308},
    "time_step_min": {"time_step_min": -1e-3},
    "weight_block_size": {"quantization_config.weight_block_size": [-128, 128]},
    "factor": {"rope_scaling.factor": -2.0},
}


@pytest.mark.parametrize("key", CONFIG)
def test_no_number_of_a_config_is_below_zero(key: str, tmp_path: Path) -> None:
    import workloads

    file = tmp_path / "config.json"
    file.write_text(json.dumps(changed(CONFIGS["llama"], CONFIG[key])), encoding="utf-8")
    with pytest.raises(InputError, match=key):
        workloads.read_model(file)


def test_a_config_may_count_from_the_end(tmp_path: Path) -> None:
    import workloads

    signed = {"pad_token_id": -1, "rope_scaling": {"beta_fast": -1}}
    (tmp_path / "config.json").write_text(json.dumps(changed(CONFIGS["llama"], signed)), encoding="utf-8")
    assert workloads.read_model(tmp_path / "config.json").layers


def test_an_old_study_without_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = {"schema": "study/1", "name": "x", "hardware": {"systems": ["h100-sxm"]}, "space": {"batch": []}}
    (tmp_path / "s.toml").write_text(as_toml(raw), encoding="utf-8")
    code, _, err = simcore(monkeypatch, capsys, "migrate", tmp_path / "s.toml")
    assert code == 2 and "study/1" in err


@pytest.mark.parametrize("study", [{"targets": {"quantile": -1}}, {"scenario": None}, {"scenario": []}, {"name": 3}])
def test_a_finished_sweep_is_read_as_a_whole(study: Change, tmp_path: Path) -> None:
    import simcore as library

    (tmp_path / "study.json").write_text(json.dumps({"name": "x", "scenario": {}} | study), encoding="utf-8")
    with pytest.raises(InputError, match=r"study\.json"):
        library.report(tmp_path)


def test_an_archive_of_another_version(tmp_path: Path) -> None:
    from simcore.spec.load import read_arrays

    file = tmp_path / "a.npz"
    np.savez(file, x=np.arange(3))
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        place = archive.start_dir
    data[place + 6] = 224  # the version that is needed to extract
    file.write_bytes(data)
    with pytest.raises(InputError, match="not a whole npz"):
        read_arrays(file)


def test_a_setting_that_another_overrules_is_read_too() -> None:
    from simcore.calibration.importers.vllm_run import stated_engine

    meta = {"engine_kwargs": {"max_num_seqs": 256}, "resolved_config": {"scheduler_config": {"max_num_seqs": -1}}}
    with pytest.raises(InputError, match=r"scheduler\.max_num_seqs"):
        stated_engine(meta, "meta.json")


def test_prefixes_have_a_size() -> None:
    from simcore.calibration.validate_requests import own_hashes
    from simcore.spec.traffic import Trace

    long = Trace(np.zeros(1), np.array([2**30]), np.array([1]))
    with pytest.raises(InputError, match="blocks of prefix"):
        own_hashes(long, 16)


def test_a_limit_without_a_solution_gives_no_values() -> None:
    from planners.program import Program

    draw, count = np.random.default_rng(0), 4000
    program = Program("p")
    chosen, servers = program.variables(count), program.variables(count, "Integer", 0.0, 200.0)
    for one, many in zip(chosen, servers, strict=True):
        program.at_most([(1.0, many), (-200.0, one)], 0.0)
    program.equal([(1.0, one) for one in chosen], 1.0)
    program.at_most(list(zip(draw.random(count), servers, strict=True)), 100.0)
    program.minimise(list(zip(-draw.random(count), servers, strict=True)))
    assert program.solve(0.0).status in ("none", "optimal")


@pytest.mark.parametrize(
    ("verb", "rows", "said"),
    [
        ("pim", "system,batch,trace,cycles_per_layer\nNeuPIMs sub-batch off,16,,174095", ""),
        ("pim", "system,batch,trace,stage_cycles,cycles_per_layer\nNeuPIMs sub-batch on,16,x,C=-5,", "stage_cycles"),
        ("pim", "system,batch,trace,cycles_per_layer\nNeuPIMs sub-batch off,16,x,x", "cycles_per_layer"),
        ("arrays", "dataflow,height,width,m,n,k\n,1,1,1,1,1", "dataflow"),
        ("kernels", "device,operator,m,n,k,latency_us\nA100,matmul,64,64,64,0", "latency_us"),
        ("size", "model_path,system,backend,isl,osl\nx,x,x,1,1", "silicon_ttft_ms"),
    ],
)
def test_spoilt_rows_of_proofs_are_one_line(
    verb: str, rows: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.csv").write_text(rows + "\n", encoding="utf-8")
    code, _, err = simcore(monkeypatch, capsys, "validate", verb, "--table", tmp_path / "t.csv")
    assert (code, err.count("\n")) == ((2, 1) if said else (0, 0)) and said in err, err


@pytest.mark.parametrize("words", [("traffic", "/dev/zero"), ("explain", "/dev/zero"), ("new", "chip", "")])
def test_what_is_no_file_is_one_line(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A device without an end was read until memory ended."""
    code, _, err = simcore(monkeypatch, capsys, *words)
    assert code == 2 and err.count("\n") == 1, err


def test_tables_of_chips_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once an empty fit was written over what was there."""
    (tmp_path / "h100-sxm").mkdir()
    words = ("calibrate-across", "--tables", tmp_path, "--out", tmp_path / "out")
    code, _, err = simcore(monkeypatch, capsys, *words)
    assert code == 2 and err.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_trace_may_last_for_ever() -> None:
    from simcore.spec.traffic import Trace
    from workloads.describe import describe

    found = describe(Trace(np.array([0.0, 1.0, 1e30]), np.full(3, 5), np.full(3, 5)))
    assert found.span_s == 1e30 and found.dispersion["1"] > 0


@pytest.mark.parametrize("spoilt", [{"queue_s": []}, {"refused": -1}, {"tpot_s": {"p50": -2.5}}])
def test_a_finished_run_is_read_as_a_whole(spoilt: Change, tmp_path: Path) -> None:
    from planners.comparing import read_side

    whole = {f"{name}_s": {"p50": 1.0} for name in ("ttft", "tpot", "e2e")} | {"refused": 0}
    (tmp_path / "summary.json").write_text(json.dumps(whole | spoilt), encoding="utf-8")
    with pytest.raises(InputError, match=r"summary\.json"):
        read_side(tmp_path)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("precision.formats=[[0]]", "precision.formats"),
        ("precision.loss.fp8=inf", "precision.loss.fp8"),
        ("precision.most_loss=x", "precision.most_loss"),
        ("asked=4", "asked"),
    ],
)
def test_spoilt_bounds_of_precision_are_one_line(
    change: str, key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = simcore(
        monkeypatch, capsys, "plan", "precision", ROOT / "examples/plan-precision.toml", "--set", change
    )
    assert code == 2 and err.count("\n") == 1 and key in err, err
