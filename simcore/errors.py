"""Errors for bad input. An infeasible plan is not an error: it is a `Result` with a typed reason."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager


class SimcoreError(Exception):
    """Base of everything simcore raises on purpose; commands print it as one line and exit with code 2."""


class InputError(SimcoreError):
    """Bad input, told in one line: where it is, which key, what was found, how to mend it.

    >>> print(InputError("'4.8' has no unit", file="x.toml", key="memory.hbm.capacity", fix="write '80 GB'"))
    x.toml: memory.hbm.capacity: '4.8' has no unit; write '80 GB'
    """

    def __init__(
        self, problem: str, *, file: str | None = None, key: str | None = None, fix: str | None = None
    ) -> None:
        self.problem, self.file, self.key, self.fix = problem, file, key, fix
        super().__init__(problem)

    def __str__(self) -> str:
        file = self.file and brief(str(self.file), MOST_PATH)
        where = "".join(f"{part}: " for part in (file, self.key and brief(self.key)) if part)
        return f"{where}{brief(self.problem)}" + (f"; {brief(self.fix)}" if self.fix else "")


MOST_CHARACTERS = 200
"""of each part of a message: what was found may be a file's whole content"""
MOST_PATH = 600
"""of a file's path, which is told whole"""


def brief(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text on one line, cut at `most` characters.

    >>> brief("a\\nb " + "c" * 300, 8)
    'a b c...'
    """
    line = " ".join(str(text)[: 4 * most].split())
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= most else line[: most - 3] + "..."


class UnknownName(InputError):
    """A name that no registry holds; says the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], **where: str | None) -> None:
        names = sorted(set(known))
        super().__init__(f"unknown {kind} {name!r}", fix=suggest(name, names), **where)
        self.kind, self.name = kind, name


@contextmanager
def said_in(file: str | None, key: str | None = None, parts: Collection[str] = ()) -> Iterator[None]:
    """Complaints raised inside name `file` and `key` where they name none; keys that begin with one of `parts` stand in
    the file below `key`."""
    try:
        yield
    except InputError as error:
        if error.key is None:
            error.key = key
        elif error.key.partition(".")[0] in parts:
            error.key = f"{key}.{error.key}"
        error.file = error.file or file
        raise


def suggest(name: str, known: Iterable[str]) -> str:
    """A short hint with the nearest known names.

    >>> suggest("h20-sxm", ["h200-sxm", "a100-sxm", "l4"])
    'did you mean h200-sxm, a100-sxm?'
    """
    names = sorted(set(known))
    near = difflib.get_close_matches(str(name)[:MOST_CHARACTERS].lower(), names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {', '.join(near)}?"
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"known: {shown}" if names else "none is known"
