"""What commands share: tables, progress, JSON on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", left: Sequence[str] = ()
) -> None:
    """A plain table, numbers to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in header:
        table.add_column(name, justify="left" if name in left else "right", no_wrap=name not in ("value", "note"))
    for row in rows:
        table.add_row(*row)
    plain = {"markup": False, "emoji": False, "highlight": False}
    tty = sys.stdout.isatty()
    Console(width=None if tty else 200, soft_wrap=not tty, **plain).print(table)  # type: ignore[arg-type]


def print_json(value: Any) -> None:
    """One JSON document on standard output; NaN and infinity become null."""
    print(json.dumps(_clean(value), indent=1))


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(v) for v in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


@contextmanager
def progress(quiet: bool, what: str) -> Iterator[Callable[[int, int], None]]:
    """Progress with rate and time left on standard error, after two seconds; none with `--quiet` or no terminal."""
    import time

    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=None)
    began = time.monotonic()
    state = {"shown": False}

    def update(done: int, total: int) -> None:
        if not state["shown"] and time.monotonic() - began > 2:
            bar.start()
            state["shown"] = True
        rate = done / max(time.monotonic() - began, 1e-3)
        bar.update(task, completed=done, total=total, description=f"{what} {rate:,.3g}/s")

    try:
        yield update
    finally:
        if state["shown"]:
            bar.stop()
