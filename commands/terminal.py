"""What commands share: tables, progress, JSON on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LEAST_WORDS = 24
"""characters that a last column of words is broken to, at least; where there is less room it goes"""


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", left: Sequence[str] = ()
) -> None:
    """A plain table, numbers to the right; on a screen only as many columns as it has room for."""
    import shutil

    tty = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if tty else None
    if title:
        print(title)
    for number, line in enumerate(table_lines(header, rows, left, width)):
        print(f"\x1b[1m{line}\x1b[0m" if tty and number == 0 else line)
    print()


def table_lines(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[str] = (), width: int | None = None
) -> Iterator[str]:
    """The lines of a table; no cell is ever cut.

    Within `width` characters columns go from the right, and a last line says which; a last column of words is broken
    into lines before it goes.

    >>> print("\\n".join(table_lines(["plan", "ms"], [["tp 1", "20.5"], ["tp 2", "9"]], ["plan"])))
    plan    ms
    ----  ----
    tp 1  20.5
    tp 2     9
    >>> print("\\n".join(table_lines(["plan", "ms", "far"], [["tp 1", "20.5", "x"]], ["plan"], 12)))
    plan    ms
    ----  ----
    tp 1  20.5
    left out for want of room: far (a wider screen, a pipe or --json has all)
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    shown, wrapped = fitting(header, widths, left, width)
    yield line(header[:shown], header, widths, left)
    yield "  ".join("-" * one for one in widths[:shown])
    for row in rows:
        yield from broken(row, header, widths, (left, shown, wrapped))
    if shown < len(header):
        yield f"left out for want of room: {', '.join(header[shown:])} (a wider screen, a pipe or --json has all)"


def fitting(header: Sequence[str], widths: list[int], left: Sequence[str], width: int | None) -> tuple[int, bool]:
    """(columns that fit, whether the last of them is broken into lines, its width then made smaller)."""
    shown = len(header)
    while width is not None and shown > 1 and sum(widths[:shown]) + 2 * (shown - 1) > width:
        room = width - sum(widths[: shown - 1]) - 2 * (shown - 1)
        if room >= LEAST_WORDS and header[shown - 1] in (*left, "value", "note"):
            widths[shown - 1] = room
            return shown, True
        shown -= 1
    return shown, False


def broken(
    row: Sequence[str], header: Sequence[str], widths: Sequence[int], how: tuple[Sequence[str], int, bool]
) -> Iterator[str]:
    """A row, in several lines where its last cell is broken; `how`: left, columns shown, whether the last is broken."""
    import textwrap

    left, shown, wrapped = how
    cells = list(row[:shown])
    parts = [cells[-1]]
    if wrapped:
        parts = textwrap.wrap(cells[-1], widths[shown - 1], break_long_words=False) or [""]
    yield line([*cells[:-1], parts[0]], header, widths, left)
    indent = " " * (sum(widths[: shown - 1]) + 2 * (shown - 1))
    yield from (indent + part for part in parts[1:])


def line(cells: Sequence[str], header: Sequence[str], widths: Sequence[int], left: Sequence[str]) -> str:
    """Cells beside each other."""
    pairs = zip(cells, header, widths, strict=False)
    return "  ".join(f"{cell:<{size}}" if name in left else f"{cell:>{size}}" for cell, name, size in pairs).rstrip()


def digits(value: float) -> str:
    """Four digits that count, whole numbers from 10,000 on; no exponents where people read.

    >>> digits(18.2345), digits(11113.2), digits(0.00123)
    ('18.23', '11,113', '0.00123')
    """
    return f"{value:,.0f}" if abs(value) >= 9999.5 else f"{value:.4g}"


def print_json(value: Any) -> None:
    """One JSON document on standard output; NaN and infinity become null."""
    print(json.dumps(_clean(value), indent=1))


def print_written(verb: str, files: Iterable[Path], as_json: bool, quiet: bool = False, **more: Any) -> None:
    """The files that a verb wrote: a line, or one JSON document with what else it says."""
    names = [str(file) for file in files]
    if as_json:
        print_json({"verb": verb, **more, "written": names})
    elif not quiet:
        print(f"written: {', '.join(names)}")


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
