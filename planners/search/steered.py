"""A running search that is asked to wait, to go on or to stop: a file beside its mark, which it looks for as it goes.

Whoever asks writes that file and nothing else; whoever runs looks for it. No process is signalled, no command is run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Progress = Callable[[int, int], None]
PAUSE, GO_ON, STOP = "pause", "go on", "stop"
LOOK_S = 0.25
"""between two looks while it waits"""


def wish_of(mark: Path) -> Path:
    """The file that asks a search for something, beside its mark."""
    return mark.with_name(mark.name.replace("unfinished", "wish"))


def wish(mark: Path) -> str:
    """What a search is asked for; "" for nothing, or for what is no wish."""
    try:
        told = wish_of(mark).read_text(encoding="utf-8")[:20].strip()
    except (OSError, UnicodeError):
        return ""
    return told if told in (PAUSE, STOP) else ""


def ask(mark: Path, what: str) -> None:
    """Ask a search: `pause`, `go on` or `stop`. Raises OSError."""
    place = wish_of(mark)
    if what == GO_ON:
        place.unlink(missing_ok=True)
        return
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(what + "\n")


@contextmanager
def steered(mark: Path, progress: Progress) -> Iterator[Progress]:
    """Progress that heeds wishes: it waits while a pause is asked for, and raises KeyboardInterrupt for a stop.

    Wishes of earlier runs are cleared away, at the beginning and at the end.
    """

    def heeding(done: int, total: int) -> None:
        progress(done, total)
        while (asked := wish(mark)) == PAUSE:
            time.sleep(LOOK_S)
        if asked == STOP:
            raise KeyboardInterrupt

    wish_of(mark).unlink(missing_ok=True)
    try:
        yield heeding
    finally:
        wish_of(mark).unlink(missing_ok=True)


def is_running(mark: Path) -> bool | None:
    """Whether a process holds a mark that it runs under; None where locks cannot say."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        descriptor = os.open(mark, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def held(mark: Path) -> Iterator[None]:
    """A mark held by this process, so that others see that it runs; where there are no locks, nothing."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with mark.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
