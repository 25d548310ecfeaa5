"""Calibrations of one's own answer first, for as long as they are in use; a chip left out is a stranger."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

import simcore
from hardware_specs import shelves
from hardware_specs.calibrations import calibration, measured_stacks
from scenarios.intervals import intervals_of
from scenarios.read import from_raw
from scenarios.resolved import Resolved, resolve
from simcore.calibration.left_out import experts_without, model_identity
from simcore.errors import InputError

PACKAGE = Path(str(resources.files("hardware_specs"))) / "calibration"
SCENARIO = {
    "schema": "scenario/2",
    "model": {"name": "llama-3.1-8b"},
    "hardware": {"system": "h100-sxm", "stack": "vllm"},
    "traffic": {"input_tokens": 512, "output_tokens": 64, "batch": 8},
}
GEMM = {"m": [64.0], "n": 4096.0, "k": 4096.0}


@pytest.fixture
def without_h100(tmp_path: Path) -> Iterator[Path]:
    for name in ("datasheet.npz", "datasheet.toml"):
        shutil.copy(PACKAGE / name, tmp_path / name)
    (tmp_path / "without.toml").write_text('schema = "without/1"\nchips = ["h100-sxm"]\nmodels = []\n')
    yield tmp_path
    assert shelves.VARIABLE not in os.environ


def test_a_chip_left_out_is_judged_by_its_siblings(without_h100: Path) -> None:
    before = calibration("h100-sxm", "vllm").predict("gemm", GEMM)
    assert before.source.startswith("vllm:")
    with shelves.using([without_h100]):
        assert measured_stacks("h100-sxm") == []
        assert measured_stacks("h200-sxm")
        assert calibration("h100-sxm", "vllm").predict("gemm", GEMM).source == "datasheet:siblings"
    again = calibration("h100-sxm", "vllm").predict("gemm", GEMM)
    assert (again.source, again.time_s[0]) == (before.source, before.time_s[0])


def test_step_times_follow_the_calibration_in_use(without_h100: Path) -> None:
    asked = from_raw(SCENARIO)
    known = simcore.estimate(asked)
    with shelves.using([without_h100]):
        strange = simcore.estimate(asked)
    assert strange.tpot_s != known.tpot_s
    assert simcore.estimate(asked).tpot_s == known.tpot_s


def test_an_own_fit_answers_first(tmp_path: Path) -> None:
    mine = tmp_path / "h100-sxm"
    mine.mkdir()
    for end in ("npz", "toml"):
        shutil.copy(PACKAGE / "h200-sxm" / f"trtllm.{end}", mine / f"trtllm.{end}")
    shape = {"m": [4096.0], "n": 8192.0, "k": 8192.0}
    with shelves.using([tmp_path]):
        own = calibration("h100-sxm", "trtllm").predict("gemm", shape).time_s[0]
    assert own == calibration("h200-sxm", "trtllm").predict("gemm", shape).time_s[0]


@pytest.mark.parametrize(("text", "said"), [("chips = [", "not valid TOML"), ("\udcff", "not UTF-8")])
def test_a_folder_that_is_none_of_ours_is_told_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match="holds no calibrations"):
        shelves.use([tmp_path])
    (tmp_path / "datasheet.npz").write_bytes(b"PK")
    (tmp_path / "without.toml").write_text(text, errors="surrogateescape")
    with pytest.raises(InputError, match=said):
        shelves.use([tmp_path])


def test_spoilt_fits_are_told_in_one_line(tmp_path: Path) -> None:
    import numpy as np

    mine = tmp_path / "h100-sxm"
    mine.mkdir()
    good = dict(np.load(PACKAGE / "h100-sxm" / "vllm.npz"))
    told = (PACKAGE / "h100-sxm" / "vllm.toml").read_text()
    spoilt = [
        (good, 'schema = "calibration/1"\n'),
        (good, "schema = ["),
        ({name: array for name, array in good.items() if name != "words"}, told),
        (good | {"words_count": good["words_count"] * 0 + 9**9}, told),
        (good | {"parameters": good["parameters"] * np.nan}, told),
    ]
    for number, (arrays, text) in enumerate(spoilt):
        mine = tmp_path / str(number) / "h100-sxm"
        mine.mkdir(parents=True)
        np.savez(mine / "vllm.npz", **arrays)
        (mine / "vllm.toml").write_text(text)
        with shelves.using([mine.parent]), pytest.raises(InputError):
            calibration("h100-sxm", "vllm").predict("gemm", GEMM)


def test_fits_without_a_model_have_not_seen_its_rows(tmp_path: Path) -> None:
    import numpy as np
    import pandas as pd

    import hardware_specs
    from simcore.calibration.build import build
    from simcore.cost.facts import chip_facts

    chip = chip_facts(hardware_specs.chip("h100-sxm"))
    models = [(2048, 768, 128, 8), (4096, 1536, 128, 8), (2880, 2880, 32, 4), (7168, 2048, 256, 8)]
    rows = [(t, *m) for m in models for t in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)]
    frame = pd.DataFrame(rows, columns=["num_tokens", "hidden_size", "inter_size", "num_experts", "topk"])
    frame = frame.assign(moe_tp_size=1, moe_ep_size=1, distribution="balanced", stack="vllm", stack_version="1")
    frame = frame.assign(moe_dtype="bfloat16", kernel_source="k", latency_ms=0.05 + np.arange(len(rows)) / 100)
    frame.to_csv(tmp_path / "moe.csv", index=False)
    shipped = build(chip, tmp_path, "here")
    left = models[3]
    (found,) = experts_without(chip, tmp_path, shipped, left)
    assert found.fits[0].rows < shipped["vllm"].fits[0].rows
    assert 7168.0 in shipped["vllm"].fits[0].high
    assert 7168.0 not in found.fits[0].high
    assert not list(experts_without(chip, tmp_path, shipped, (1, 1, 1, 1)))


def test_the_four_numbers_of_a_model() -> None:
    assert model_identity(simcore.resolve("model", "deepseek-r1")) == (7168, 2048, 256, 8)
    assert model_identity(simcore.resolve("model", "llama-3.1-8b")) == ()


def test_a_stranger_with_a_sibling_carries_the_interval_of_strangers(without_h100: Path) -> None:
    def asked(chip: str) -> Resolved:
        return resolve(from_raw({**SCENARIO, "hardware": {"system": chip, "stack": "vllm"}}))

    values = {"tpot_mean_s": 0.01, "ttft_mean_s": 0.1}
    known = intervals_of(asked("h100-sxm"), values)
    with shelves.using([without_h100]):
        strange = intervals_of(asked("h100-sxm"), values)
    for name, (low, high) in known.items():
        assert strange[name][0] <= low
        assert strange[name][1] >= high
    assert intervals_of(asked("b300-sxm"), values)
    assert not intervals_of(asked("mi300x"), values)
