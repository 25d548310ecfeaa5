"""The digest of the store covers every room that an answer can depend on, wherever the checkout lies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from planners.search.source import ROOMS, code_digest, source_digest

ROOT = Path(__file__).resolve().parents[3]
PLANTS = (
    "simcore/cost/laws/gemm.py",
    "simcore/policy/scheduler/chunked.py",
    "simcore/engine/replica.py",
    "simcore/errors.py",
    "hardware_specs/chips/h100-sxm.toml",
    "hardware_specs/__init__.py",
    "workloads/generate.py",
    "workloads/models/llama-3.1-8b.toml",
    "planners/plans.py",
    "planners/search/space.py",
    "scenarios/run.py",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("checkout")
    for room in ROOMS:
        if (ROOT / room).is_dir():
            shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    return copy


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_line_changes_the_digest(tree: Path, name: str) -> None:
    before, text = source_digest(tree), (tree / name).read_bytes()
    (tree / name).write_bytes(text + b"\n# planted\n")
    assert source_digest(tree) != before
    (tree / name).write_bytes(text)
    assert source_digest(tree) == before


@pytest.mark.parametrize("room", ROOMS)
def test_a_new_file_in_any_room_changes_the_digest(tree: Path, room: str) -> None:
    before, new = source_digest(tree), tree / room / "planted.toml"
    new.parent.mkdir(exist_ok=True)
    new.write_text("x = 1\n")
    assert source_digest(tree) != before
    new.unlink()


def test_neither_place_nor_compiled_files_count(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "again"
    shutil.copytree(tree, other)
    (other / "simcore" / "__pycache__").mkdir()
    (other / "simcore" / "__pycache__" / "units.pyc").write_bytes(b"x")
    assert source_digest(other) == source_digest(tree)


def test_this_process_has_one(tree: Path) -> None:
    assert code_digest() == source_digest(ROOT)
    assert len(code_digest()) == 16
