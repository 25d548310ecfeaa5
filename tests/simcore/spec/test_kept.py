"""Specs of earlier processes are those that would be made again; what is refused is not kept."""

from __future__ import annotations

from pathlib import Path

import pytest

import hardware_specs
import workloads
from scenarios.read import read
from simcore.errors import InputError
from simcore.registry import GROUPS, register, unregister
from simcore.spec.base import Spec
from simcore.spec.load import build_from_file
from simcore.spec.scenario import ResidencyPart

EXAMPLES = sorted(Path(__file__).parents[3].glob("examples/*.toml"))
RAW = {"tier": "main", "colour": 1}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in ("simcore.kept.values.home", "simcore.kept.files.home"):
        monkeypatch.setattr(module, lambda: tmp_path / "kept")
    return tmp_path


def kept(folder: Path) -> int:
    return len(list(folder.glob("kept/specs/*")))


@pytest.mark.parametrize("name", ["h200-sxm", "gh200"])
def test_a_kept_chip_is_the_chip(folder: Path, name: str) -> None:
    made = [hardware_specs.chip.parse(*hardware_specs.chip.text(name)) for _ in range(2)]
    assert kept(folder) == 1
    assert made[0] == made[1] and made[0].model_dump_json() == made[1].model_dump_json()
    assert made[0].model_fields_set == made[1].model_fields_set


@pytest.mark.parametrize("name", ["deepseek-v3", "deepseek-v3.2", "llama-3.1-8b"])
def test_a_kept_model_is_the_model(folder: Path, name: str) -> None:
    made = [workloads.model.parse(*workloads.model.text(name)) for _ in range(2)]
    assert kept(folder) == 1 and made[0] == made[1] and repr(made[0]) == repr(made[1])


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_a_kept_scenario_is_the_scenario(folder: Path, file: Path) -> None:
    try:
        first = read(file)
    except InputError:
        pytest.skip("no scenario")
    count, again = kept(folder), read(file)
    assert kept(folder) == count and first == again and first.model_dump_json() == again.model_dump_json()
    assert read(file, {"seed": 7}).seed == 7 and again.set({"seed": 8}) == first.set({"seed": 8})


def test_what_is_refused_is_refused_again(folder: Path) -> None:
    for _ in range(2):
        with pytest.raises(InputError, match="unknown key"):
            build_from_file(ResidencyPart, RAW, "file.toml")
    assert kept(folder) == 0


def test_blocks_of_ones_own_are_never_kept(folder: Path) -> None:
    class Own(Spec):
        kind: str = "own"

    register("block", Own, "own")
    try:
        hardware_specs.chip.parse(*hardware_specs.chip.text("h200-sxm"))
        assert kept(folder) == 0
    finally:
        unregister("block", "own")
    assert GROUPS["block"]
