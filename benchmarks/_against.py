"""`python -m benchmarks against COMMIT`: the engines of this tree and of a commit, in turns, and their ratios."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks._process import ROOT, environment
from benchmarks.serving import SHARED

ROUNDS = 5
SERVED = "from benchmarks import serving as s; t = s.trace({!r}); print(max(s.speed(t) for _ in range(3)))"
"""as `make bench` does: the first run of a process also loads its kernels, 10 ms beside 12 of serving 10,000 requests,
and that is a command's start, which `benchmarks start` measures"""
PLANNED = "from benchmarks import plans; print(max(plans.rate({}) for _ in range(5)))"
"""the best of five: in a fresh process a tenth of the time is pages that the allocator asks for, or not, by what else
lies where in either tree"""
ENGINES = {
    "serving_light": SERVED.format("light"),
    "serving_saturated": SERVED.format("saturated"),
    "serving_closed_fleet": "from benchmarks import serving as s; print(s.closed_fleet(s.trace('light')))",
    "plans": PLANNED.format("200_000"),
    "plans_calibrated": PLANNED.format("200_000, stack='vllm'"),
    "plans_unshared": PLANNED.format("50_000, share_steps=False"),
}
"""name -> what prints work per CPU second, in either tree"""


def against(commit: str, names: tuple[str, ...] = (), rounds: int = ROUNDS) -> Iterator[tuple[str, float]]:
    """(name, median of the speed here over that of the commit) of rounds that measure one after the other, in turns."""
    with checked_out(commit) as other:
        for name in names or tuple(ENGINES):
            speed(ENGINES[name], other)  # compiles
            speed(ENGINES[name], ROOT)
            pairs = [(speed(ENGINES[name], ROOT), speed(ENGINES[name], other)) for _ in range(rounds)]
            yield f"ratio_{name}", median(here / there for here, there in pairs)


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """The tree of a commit in a temporary folder. Exits with git's own words where there is no such commit."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "other"
        git = ["git", "-C", str(ROOT), "worktree"]
        done = subprocess.run([*git, "add", "--detach", str(tree), commit], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr.strip())
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=False)


def speed(code: str, root: Path) -> float:
    """Work per CPU second as the tree's own benchmark tells it."""
    env = environment(root) | {"SIMCORE_SHARED": os.environ.get("SIMCORE_SHARED", str(SHARED))}
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{root}: {code}\n{done.stderr[-2000:]}")
    return float(done.stdout)
