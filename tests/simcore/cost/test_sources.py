"""What counts as a change of a kernel, and what does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simcore.cost import sources
from simcore.kept.files import home

BASE = '''"""Doc."""
from simcore.policy.records import NONE

WIDTH = 4
OTHER = 5

def _inner(x):
    """Inner."""
    return x * WIDTH + NONE

def kernel(x):
    # a comment
    return _inner(x) + 1

def unused(x):
    return x * OTHER
'''
SAME = {
    "docstring": ('"""Inner."""', '"""Quite other words.\n\n    And more."""'),
    "comment": ("# a comment", "# another\n    # and one more"),
    "layout": ("return x * WIDTH + NONE", "return (\n        x * WIDTH + NONE\n    )"),
    "what is not reached": ("x * OTHER", "x - OTHER"),
    "a constant that is not reached": ("OTHER = 5", "OTHER = 6"),
    "a new docstring of the file": ('"""Doc."""', '"""More."""\n\n'),
}
OTHERS = {
    "code": ("+ 1", "+ 2"),
    "a callee": ("x * WIDTH", "x / WIDTH"),
    "a constant of a callee": ("WIDTH = 4", "WIDTH = 8"),
    "another import": ("records import NONE", "records import MAX_RUNNING as NONE"),
    "a statement of the file": ("OTHER = 5", "OTHER = 5\nif OTHER:\n    pass"),
}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SIMCORE_CACHE", str(tmp_path / "kept"))
    forget()
    yield
    monkeypatch.undo()
    forget()


def forget() -> None:
    for cached in (home, sources._known, sources.digest_of):
        cached.cache_clear()


def digest(folder: Path, text: str) -> str:
    file = folder / "kernels.py"
    file.write_text(text)
    forget()
    return sources.digest_of(str(file), "kernel")


@pytest.mark.parametrize("what", SAME)
def test_wording_is_no_change(what: str, tmp_path: Path) -> None:
    assert digest(tmp_path, BASE.replace(*SAME[what])) == digest(tmp_path, BASE)


@pytest.mark.parametrize("what", OTHERS)
def test_code_that_is_reached_is_a_change(what: str, tmp_path: Path) -> None:
    changed = BASE.replace(*OTHERS[what])
    assert changed != BASE
    assert digest(tmp_path, changed) != digest(tmp_path, BASE)


def test_follows_imports_into_the_packages() -> None:
    """The loop over arrivals reaches the records, three packages away, and a digest per file is kept."""
    kernels = str(sources.ROOT / "simcore/engine/kernels.py")
    sources.digest_of(kernels, "serve_open")
    reached = {Path(file).name for file in sources._known().fresh}
    assert {"replica.py", "records.py", "kernel.py", "_verbs.py", "_prefix.py"} <= reached
    assert (home() / sources.KNOWN_FILES).is_file()


@pytest.mark.parametrize("kept", [b"", b"[]", b"{", b'{"FILE": [1, 2]}', b'{"FILE": [[0, 0, 0, 0], {"kernel": 1}]}'])
def test_a_damaged_index_is_read_as_none(kept: bytes, tmp_path: Path) -> None:
    whole = digest(tmp_path, BASE)
    (home() / sources.KNOWN_FILES).write_bytes(kept.replace(b"FILE", str(tmp_path / "kernels.py").encode()))
    assert digest(tmp_path, BASE) == whole


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.py"
    stranger.write_text("import numpy\n")
    assert not sources.reaches_packages(str(stranger))
    own = tmp_path / "own_scheduler.py"
    own.write_text("from simcore.policy.verbs import policy\n")
    assert sources.reaches_packages(str(own))
