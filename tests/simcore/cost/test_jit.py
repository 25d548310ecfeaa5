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
