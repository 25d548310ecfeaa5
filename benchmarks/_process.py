"""Run something in a fresh process and account for it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
REFERENCE_S = 0.22
"""CPU seconds of the marker below on the core that all targets are stated for"""


def machine_slowness() -> float:
    """CPU seconds of 3,000,000 steps of `x += i * i` here over those of the reference core; least of three."""
    return min(_marker_s() for _ in range(3)) / REFERENCE_S


def _marker_s() -> float:
    steps = compile("for i in range(3_000_000): x += i * i", "marker", "exec")
    began = time.process_time()
    exec(steps, {"x": 0})  # names of a module, as in a script: locals of a function would be faster
    return time.process_time() - began


def cpu_and_peak(
    arguments: list[str],
    repeats: int = 3,
    root: Path = ROOT,
    warm_up: bool = True,
    python: str = sys.executable,
    **more: str,
) -> tuple[float, float]:
    """(median CPU seconds, peak MB) of `python ARGUMENTS` in the tree `root`, of that process and its children.

    One run goes before and does not count, unless `warm_up` is off; `more` is added to the environment.
    """
    runs = [_run([python, *arguments], root, more) for _ in range(repeats + warm_up)]
    used = runs[warm_up:]
    return median(one.ru_utime + one.ru_stime for one in used), max(one.ru_maxrss for one in used) / 1024


def _run(command: list[str], root: Path, more: dict[str, str]) -> resource.struct_rusage:
    out = subprocess.DEVNULL
    child = subprocess.Popen(command, stdout=out, stderr=out, cwd=root, env=environment(root) | more)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return used


def isolated(name: str, packages: tuple[str, ...]) -> str:
    """The interpreter of an environment that holds `packages` alone, made where there is none of these versions.

    It lies in the cache folder, or where SIMCORE_<NAME> says.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simcore" / name
    folder = Path(os.environ.get(f"SIMCORE_{name.upper()}") or home)
    python, stamp = folder / "bin" / "python", folder / "packages"
    if not stamp.is_file() or stamp.read_text() != "\n".join(packages):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        stamp.write_text("\n".join(packages))
    return str(python)


def environment(root: Path = ROOT) -> dict[str, str]:
    """One thread, so that CPU seconds mean one core; byte code kept, as after an install."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(root)}
