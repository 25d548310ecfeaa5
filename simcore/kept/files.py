"""Files kept between processes: compiled kernels, digests, step tables. Never needed, never trusted unread.

They lie beside the package, in the user's cache folder where that cannot be written, or in a folder of the user's own
among the temporary files (`SIMCORE_CACHE` names another). A file is written aside and renamed, so that a reader sees a
whole one or none.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

LONGEST_S = 120.0
PACKAGE = Path(__file__).resolve().parent.parent


@cache
def home() -> Path:
    """The folder of kept files; one that cannot be written stays empty."""
    own = os.environ.get("SIMCORE_CACHE")
    user = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    shared = Path(os.environ.get("TMPDIR") or "/tmp") / f"simcore-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    cache = [] if user.startswith("~") else [Path(user) / "simcore"]  # no HOME and no entry in passwd: nobody's
    for place in [Path(own)] if own else [PACKAGE / "__pycache__", *cache, shared]:
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue
        if os.access(place, os.W_OK) and (place is not shared or _is_ours(place)):
            return place
    return Path(own) if own else shared


def _is_ours(place: Path) -> bool:
    """Whether nobody else can put files into a folder that lies where everybody writes."""
    told = place.lstat()
    return stat.S_ISDIR(told.st_mode) and (
        os.name != "posix" or (told.st_uid == os.getuid() and not told.st_mode & 0o022)
    )


def write_aside(file: Path, data: bytes) -> bool:
    """Write a file as a whole; False where that is not possible."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside.write_bytes(data)
        os.replace(aside, file)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        return False
    return True


@contextlib.contextmanager
def alone(file: Path, need_not: bool = False) -> Iterator[None]:
    """One process at a time holds the lock on `file`, which ends with the process; where no lock can be had (no such
    system, a folder that cannot be written, `LONGEST_S` of waiting), it goes on without."""
    held = None if need_not else _opened(file)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def _opened(file: Path) -> int | None:
    """A file, opened and locked."""
    try:
        import fcntl

        held = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (ImportError, OSError):
        return None
    until_s = time.monotonic() + LONGEST_S
    while time.monotonic() < until_s:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:
            break
        else:
            return held
    os.close(held)
    return None


def read_json(file: Path) -> dict[str, Any]:
    """The object in a kept file; empty where there is none, or something else."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def keep_latest(folder: Path, pattern: str, most: int) -> None:
    """Remove all but the `most` files or folders of that pattern that were used last."""
    with contextlib.suppress(OSError):
        found = sorted(folder.glob(pattern), key=lambda one: one.stat().st_mtime)
        for stale in found[: max(0, len(found) - most)]:
            shutil.rmtree(stale, ignore_errors=True) if stale.is_dir() else stale.unlink(missing_ok=True)
