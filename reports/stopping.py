"""Signals that stop a run, and locks that a killed process cannot leave behind: what `reports.output` rests on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Stop:
    """What a signal to stop does: an exception at once, or, while files are moved, when they are."""

    def __init__(self) -> None:
        self.held = self.asked = False

    def __call__(self, *_: object) -> None:
        if not self.held:
            raise KeyboardInterrupt
        self.asked = True

    def hold(self) -> None:
        """From here on a signal waits for the end."""
        self.held = True


@contextmanager
def stoppable() -> Iterator[Stop]:
    """SIGTERM and SIGHUP end as SIGINT does, by KeyboardInterrupt, so that stages are cleared away.

    Handlers that others have set stay, and so do all of them outside the main thread.
    """
    stop = Stop()
    before: dict[int, Any] = {}
    try:
        for name in NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, stop)
    except ValueError:
        pass
    try:
        yield stop
    finally:
        stop.hold()
        for number, handler in before.items():
            signal.signal(number, handler)
        if stop.asked:
            raise KeyboardInterrupt


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time in here, by a lock on the folder itself; where there are no locks, nothing."""
    lock = open_locked(folder)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def open_locked(folder: Path, wait: bool = True) -> int | None:
    """A descriptor that holds the lock of a folder until it is closed; None where there are no locks.

    Raises OSError where another holds it and `wait` is false.
    """
    try:
        import fcntl
    except ImportError:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        if not wait:
            raise
        return None
    return descriptor
