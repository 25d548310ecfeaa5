"""Run something in a fresh process and account for it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys


def cpu_and_peak(arguments: list[str], repeats: int = 3) -> tuple[float, float]:
    """(median CPU seconds, peak MB) of `python ARGUMENTS`, after one warm-up; children are counted by the kernel."""
    seconds = []
    for _ in range(repeats + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return sorted(seconds[1:])[repeats // 2], after.ru_maxrss / 1024


def environment() -> dict[str, str]:
    """One thread, so that CPU seconds mean one core."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
