"""Run something in a fresh process and account for it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys


def cpu_and_peak(arguments: list[str], repeats: int = 3) -> tuple[float, float]:
    """(median CPU seconds, peak MB) of `python ARGUMENTS`, after one warm-up, of that process alone."""
    used = [_run([sys.executable, *arguments]) for _ in range(repeats + 1)][1:]
    seconds = sorted(one.ru_utime + one.ru_stime for one in used)
    return seconds[repeats // 2], max(one.ru_maxrss for one in used) / 1024


def _run(command: list[str]) -> resource.struct_rusage:
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment())
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return used


def environment() -> dict[str, str]:
    """One thread, so that CPU seconds mean one core."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
