"""Kept libraries: used where whole and of this very code, left alone where cut, foreign, stale or open to others."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simcore.cost import libraries
from simcore.kept.files import home
from tests.simcore.cost.test_sources import forget

ANSWER = "long answer(void) { return 42; }\n"
SOURCE = "def kernel(x):\n    return x + 1\n"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc") or not shutil.which("nm"), reason="needs a C compiler"
)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A source file whose kernel has a library, in a home of its own."""
    monkeypatch.setenv("SIMCORE_CACHE", str(tmp_path / "kept"))
    forget()
    file = tmp_path / "kernel.py"
    file.write_text(SOURCE)
    (tmp_path / "code.c").write_text(ANSWER)
    subprocess.run(["cc", "-c", "-o", tmp_path / "code.o", tmp_path / "code.c"], check=True)
    assert libraries.keep(str(file), "kernel", (tmp_path / "code.o").read_bytes(), ("answer",))
    yield str(file)
    monkeypatch.undo()
    forget()


def kept(ending: str) -> Path:
    """The one kept file of that ending."""
    (found,) = (home() / "libraries").glob(f"*.{ending}")
    return found


def call(found: tuple[int, ...] | None) -> int | None:
    import ctypes

    return None if found is None else ctypes.CFUNCTYPE(ctypes.c_long)(found[0])()


def test_found_and_called(kernel: str) -> None:
    assert call(libraries.find(kernel, "kernel")) == 42


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_half_a_library_is_not_loaded(share: float, kernel: str) -> None:
    whole = kept("so").read_bytes()
    kept("so").write_bytes(whole[: int(share * len(whole))])
    assert libraries.find(kernel, "kernel") is None


def test_a_damaged_stretch_is_noticed(kernel: str) -> None:
    whole = bytearray(kept("so").read_bytes())
    whole[len(whole) // 2] ^= 1
    kept("so").write_bytes(bytes(whole))
    assert libraries.find(kernel, "kernel") is None


@pytest.mark.parametrize("told", [b"", b"{}", b"[1]", b"{", b'{"sha256": 5}', b'{"symbols": ["answer"]}'])
def test_a_damaged_index_is_noticed(told: bytes, kernel: str) -> None:
    kept("json").write_bytes(told)
    assert libraries.find(kernel, "kernel") is None


def test_an_unknown_symbol_is_noticed(kernel: str) -> None:
    told = json.loads(kept("json").read_text())
    kept("json").write_text(json.dumps({**told, "symbols": ["other"]}))
    assert libraries.find(kernel, "kernel") is None


def test_a_folder_that_others_may_write_is_not_trusted(kernel: str) -> None:
    folder = home() / "libraries"
    folder.chmod(0o777)
    assert libraries.find(kernel, "kernel") is None
    folder.chmod(0o700)
    assert libraries.find(kernel, "kernel") is not None


def test_other_code_or_another_machine_finds_nothing(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(kernel).write_text(SOURCE.replace("1", "2"))
    forget()
    assert libraries.find(kernel, "kernel") is None
    Path(kernel).write_text('"""Words."""\n' + SOURCE)
    forget()
    assert libraries.find(kernel, "kernel") is not None
    monkeypatch.setattr(libraries, "toolchain", lambda: "another")
    assert libraries.find(kernel, "kernel") is None


def test_without_a_compiler_nothing_is_kept(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert not libraries.keep(kernel, "kernel", b"", ("answer",))


def test_code_that_cannot_be_linked_is_not_kept(kernel: str) -> None:
    before = kept("so").read_bytes()
    assert not libraries.keep(kernel, "kernel", b"no object code", ("answer",))
    assert kept("so").read_bytes() == before
    assert not [file for file in os.listdir(home() / "libraries") if file.startswith(".")]
