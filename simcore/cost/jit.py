"""numba's `njit`, with a cache that knows every kernel's source.

numba checks only the file of the function it caches: a kernel that calls a changed function of another file would be
taken from the cache as it was. Here the cache folder carries a digest of all sources that hold kernels, so any change
compiles afresh. It lies beside the package, or in the user's cache folder where that cannot be written.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numba
from numba import from_dtype, njit

__all__ = ["from_dtype", "njit"]

PACKAGE = Path(__file__).resolve().parent.parent
ROOMS = ("cost", "policy", "step", "engine")
KEPT = 3
"""cache folders of the latest states of the sources"""


def source_digest() -> str:
    """A digest of name, size and time of every source file in the rooms of kernels."""
    seen = hashlib.sha256(numba.__version__.encode())
    for room in ROOMS:
        for file in sorted((PACKAGE / room).rglob("*.py")):
            state = file.stat()
            seen.update(f"{file.relative_to(PACKAGE)}:{state.st_size}:{state.st_mtime_ns};".encode())
    return seen.hexdigest()[:16]


def cache_folder() -> Path:
    """Where this state of the sources keeps its kernels; older states beyond the last few are removed."""
    for home in (PACKAGE / "__pycache__", Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "simcore"):
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(home, os.W_OK):
            break
    folder = home / f"kernels-{source_digest()}"
    if not folder.is_dir():
        others = sorted(home.glob("kernels-*"), key=lambda p: p.stat().st_mtime)
        for stale in others[: max(0, len(others) - KEPT + 1)]:
            shutil.rmtree(stale, ignore_errors=True)
    return folder


if not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = str(cache_folder())
