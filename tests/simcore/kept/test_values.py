"""Values kept on disk: as they were, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simcore.kept import files as kept_files
from simcore.kept.values import keep_value, kept_value, state_of


@dataclass(frozen=True)
class Leaf:
    values: Any
    name: str = ""


@dataclass(frozen=True)
class Branch:
    leaf: Leaf
    pair: tuple[Leaf, float]
    table: dict[str, Any] = field(default_factory=dict)
    nothing: None = None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in ("simcore.kept.values.home", "simcore.kept.files.home"):
        monkeypatch.setattr(module, lambda: tmp_path)
    assert kept_files.home() == tmp_path
    return tmp_path


VALUE = Branch(
    Leaf(np.arange(6.0).reshape(2, 3), "a"), (Leaf(np.zeros(0, np.int32)), 0.1 + 0.2), {"x": (1, np.inf, None, True)}
)


def test_values_come_back_as_they_were(folder: Path) -> None:
    assert keep_value("things", "key", VALUE)
    found = kept_value("things", "key", (Leaf, Branch))
    assert (found.leaf.values == VALUE.leaf.values).all() and found.leaf.values.flags.writeable
    assert found.pair[0].values.dtype == np.int32 and found.pair[1] == 0.1 + 0.2
    assert found.table == VALUE.table and found.leaf.name == "a" and found.nothing is None
    assert kept_value("things", "other", (Leaf, Branch)) is None


def test_a_class_that_is_not_named_is_not_made(folder: Path) -> None:
    assert keep_value("things", "key", VALUE)
    assert kept_value("things", "key", (Leaf,)) is None


def test_damaged_files_are_as_if_they_were_not_there(folder: Path) -> None:
    assert keep_value("things", "key", VALUE)
    (file,) = (folder / "things").iterdir()
    whole = file.read_bytes()
    for at in range(0, len(whole), 7):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert kept_value("things", "key", (Leaf, Branch)) is None
        file.write_bytes(whole[:at])
        assert kept_value("things", "key", (Leaf, Branch)) is None
    file.write_bytes(whole)
    assert kept_value("things", "key", (Leaf, Branch)) is not None


def test_what_cannot_be_kept_is_not(folder: Path) -> None:
    for bad in (object(), {1}, np.array(["a"]), replace(VALUE, table={1: 2})):
        assert not keep_value("things", "bad", bad)
    assert not (folder / "things").exists()


def test_the_state_of_folders_is_that_of_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simcore.kept.values.ROOT", tmp_path)
    (tmp_path / "one" / "two").mkdir(parents=True)
    file = tmp_path / "one" / "two" / "a.txt"
    file.write_text("1")
    state = state_of.__wrapped__
    before = state("one")
    assert state("one") == before
    file.write_text("12")
    assert state("one") != before
