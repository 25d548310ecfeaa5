"""Kernels are compiled at their first call, kept by their code, and found again after a change of wording."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

KERNEL = '''
from numba import float64
from simcore.cost.jit import Entry, entry, njit
from simcore.policy.records import NONE

WIDTH = 4.0

@njit(cache=True)
def inner(x):
    """Inner."""
    return x * WIDTH

@entry(float64(float64))
def kernel(x):
    """Outer."""
    return inner(x) + 1.0
'''


def run(folder: Path, text: str, code: str = "print(own_kernel.kernel(2.0))") -> tuple[str, str, int]:
    """(output, what standard error says, functions taken from those kept)."""
    (folder / "own_kernel.py").write_text(text)
    counted = "d = own_kernel.kernel.compiled; print(sum(d.stats.cache_hits.values()))"
    env = {**os.environ, "SIMCORE_CACHE": str(folder / "kept"), "PYTHONPATH": f"{folder}:{Path.cwd()}"}
    whole = f"import own_kernel; {code}; {counted}"
    done = subprocess.run([sys.executable, "-c", whole], env=env, capture_output=True, text=True, check=True)
    first, hits = done.stdout.split()
    return first, done.stderr, int(hits)


def test_kept_by_code(tmp_path: Path) -> None:
    first = run(tmp_path, KERNEL)
    assert (first[0], first[2]) == ("9.0", 0)
    assert first[1].count("\n") == 1
    assert "compiling" in first[1]
    assert run(tmp_path, KERNEL) == ("9.0", "", 1)
    assert run(tmp_path, "# moved\n\n" + KERNEL.replace('"""Inner."""', '"""Other."""')) == ("9.0", "", 1)
    changed = run(tmp_path, KERNEL.replace("WIDTH = 4.0", "WIDTH = 5.0"))
    assert (changed[0], changed[2]) == ("11.0", 0)
    assert run(tmp_path, KERNEL) == ("9.0", "", 1)


def test_importing_kernels_compiles_nothing() -> None:
    code = (
        "import simcore.engine.kernels as k, simcore.engine.closed_loop as c; print('compiled' in vars(k.serve_open))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_other_versions_have_folders_of_their_own(tmp_path: Path) -> None:
    """Where numba 0.59 and 0.68 shared a folder, the index of one named the code of the other."""
    run(tmp_path, KERNEL)
    (kept,) = (tmp_path / "kept/kernels").glob("own_kernel.kernel-*")
    versions = tmp_path / "numba-0.1.0.dist-info"  # found before the installed one
    versions.mkdir()
    assert run(tmp_path, KERNEL)[::2] == ("9.0", 0)
    versions.rmdir()
    assert run(tmp_path, KERNEL)[::2] == ("9.0", 1)
    assert len(list((tmp_path / "kept/kernels").glob("own_kernel.kernel-*"))) == 2
    assert sorted(path.suffix for path in kept.iterdir()) == [".nbc", ".nbi"]


def test_one_process_at_a_time_compiles(tmp_path: Path) -> None:
    """Two that begin together: the second takes what the first has kept."""
    (tmp_path / "own_kernel.py").write_text(KERNEL)
    env = {**os.environ, "SIMCORE_CACHE": str(tmp_path / "kept"), "PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}
    code = "import own_kernel as k; print(sum(k.kernel.compiled.stats.cache_hits.values()))"
    both = [
        subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert sorted(one.communicate()[0].strip() for one in both) == [b"0", b"1"]
