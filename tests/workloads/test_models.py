"""The curated models: their contract, their agreement with the importer, their names."""

from __future__ import annotations

import csv

import pytest

import workloads
from simcore.errors import InputError, UnknownName
from simcore.spec.model import ModelSpec
from simcore.testing.models import check_model
from tests.shared import shared
from tests.workloads.cards import CARDS
from tests.workloads.test_importer import imported


@pytest.mark.parametrize("name", workloads.model.names())
def test_contract(name: str) -> None:
    check_model(workloads.model(name))


@pytest.mark.parametrize("stem", [card.stem for card in CARDS])
def test_curated_equals_imported(stem: str) -> None:
    """The name on the hub leads to the file, and the file says what the importer reads."""
    model = workloads.model(stem.replace("--", "/").replace("Meta-", ""))
    other = imported(stem)
    same = {name: getattr(other, name) for name in ("name", "aliases", "sources", "citations")}
    assert model.replace(**same) == other


def test_every_model_of_the_serving_table_has_a_name() -> None:
    with shared("measured/serving/silicon_serving.csv").open() as file:
        paths = {row["model_path"] for row in csv.DictReader(file)}
    assert len(paths) >= 13
    for path in paths:
        for spelling in (path, path.split("/")[-1], path.lower(), path.replace("/Llama", "/Meta-Llama")):
            if not (path.startswith("nvidia") and "Meta-" in spelling):
                assert isinstance(workloads.model(spelling), ModelSpec)
    assert workloads.model("nvidia/DeepSeek-R1-NVFP4").expert_format == "fp4"
    assert workloads.model("nvidia/Llama-3.1-8B-Instruct-FP8").native_format == "fp8"


def test_names_do_not_collide() -> None:
    claimed: dict[str, str] = {}
    for name in workloads.model:
        model = workloads.model(name)
        assert model.name == name
        for alias in {a.lower() for a in (name, *model.aliases)}:
            assert claimed.setdefault(alias, name) == name, alias


def test_a_path_is_as_good_as_a_name() -> None:
    path = shared("models/openai--gpt-oss-20b.json")
    assert workloads.model_or_file(str(path)).name == "gpt-oss-20b"
    assert workloads.model_or_file("gpt-oss-20b").parameters == workloads.model_or_file(str(path)).parameters


def test_files_and_folders(tmp_path) -> None:
    folder = tmp_path / "My-Model"
    folder.mkdir()
    (folder / "config.json").write_text(shared("models/Qwen--Qwen3-8B.json").read_text())
    assert workloads.model_or_file(str(folder)).name == "my-model"
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\nextends = "qwen3-8b"\nvocab_size = 1000\n')
    assert workloads.model_or_file(str(own)).vocab_size == 1000
    with pytest.raises(InputError, match="no such file"):
        workloads.model_or_file(str(tmp_path / "none.json"))
    with pytest.raises(UnknownName, match=r"did you mean"):
        workloads.model_or_file("llama-3.1-70")


def broken(**changes: object) -> ModelSpec:
    return workloads.model("qwen3-8b").replace(**changes)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (broken(sources={}), "no source"),
        (broken(layers=(broken().layers[0].replace(mixer=None, ffn=()),)), "empty"),
        (
            broken(layers=(broken().layers[0].replace(mixer=broken().layers[0].mixer.replace(kv_heads=5)),)),
            "do not divide",
        ),
    ],
    ids=["source", "empty", "heads"],
)
def test_the_contract_catches(model: ModelSpec, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_model(model)
