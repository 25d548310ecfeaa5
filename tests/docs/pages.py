"""Pages of the docs as sessions: every fenced command and Python snippet, in order, from an empty folder.

A fence says what is done with it:

    sh       commands, run one after the other; `# exit code 1` behind one says that it ends so
    python   run in one namespace per page
    text     what the fence before it printed, compared loosely: `missing`
    any, with title="FILE"   written to FILE

A fence of commands or Python whose first line is `# not run here: REASON` is not run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^(?P<dent> *)```(?P<language>\w*)(?P<more>[^\n`]*)\n(?P<text>.*?)^(?P=dent)```$", re.S | re.M)
NOT_RUN = re.compile(r"# not run here: (.{10,})")
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
TOKEN = re.compile(rf"{NUMBER.pattern}|[^\s\d-]+|-")
CLOSE = 0.1
"""numbers that are shown and those that are printed differ by less"""
LEFT_OUT = "..."


@dataclass(frozen=True)
class Fence:
    """One fenced block."""

    line: int
    language: str
    title: str
    text: str

    @property
    def reason(self) -> str:
        """Why it is not run; empty: it is."""
        found = NOT_RUN.match(self.text)
        return found[1] if found and self.language in ("sh", "python") and not self.title else ""


def pages() -> list[Path]:
    """README and every page for readers; notes and decisions tell what was done, not what to do."""
    docs = ROOT / "docs"
    names = [*docs.glob("*.md"), *(docs / "tutorials").glob("*.md")]
    return [ROOT / "README.md", *sorted(names)]


def fences(page: Path) -> Iterator[Fence]:
    """Those of a page."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        title = re.search(r'title="([^"]+)"', found["more"])
        body = "\n".join(line.removeprefix(found["dent"]) for line in found["text"].splitlines())
        line = text.count("\n", 0, found.start()) + 1
        yield Fence(line, found["language"], title[1] if title else "", body + "\n")


def commands(text: str) -> Iterator[tuple[str, int]]:
    """(command, exit code that it ends with) of each line; a backslash goes on."""
    for line in text.replace("\\\n", " ").splitlines():
        command, _, words = line.partition(" #")
        told = re.search(r"exit code (\d)", words)
        if command.strip() and not command.startswith("#"):
            yield command.strip(), int(told[1]) if told else 0


def tokens(line: str) -> list[str]:
    """Words and numbers of a line; rules of tables are none."""
    return [token for token in TOKEN.findall(line) if token != "-"]


def like(shown: str, printed: str) -> bool:
    """Whether words agree and numbers nearly do; `...` stands for anything.

    >>> like("best 1,234 of ... seconds", "best   1,250 of 17 in 3 seconds"), like("best 1", "best 2")
    (True, False)
    """
    rest = tokens(printed)
    first, *others = [tokens(part) for part in shown.split(LEFT_OUT)]
    if not same(first, rest[: len(first)]):
        return False
    rest = rest[len(first) :]
    if not others:
        return not rest
    *middle, last = others
    for part in middle:
        at = next((i for i in range(len(rest)) if same(part, rest[i : i + len(part)])), None)
        if at is None:
            return False
        rest = rest[at + len(part) :]
    return len(last) <= len(rest) and same(last, rest[len(rest) - len(last) :])


def same(shown: list[str], printed: list[str]) -> bool:
    """Token by token."""
    return len(shown) == len(printed) and all(map(near, shown, printed))


def near(shown: str, printed: str) -> bool:
    """One token."""
    if NUMBER.fullmatch(shown) and NUMBER.fullmatch(printed):
        one, other = (float(text.replace(",", "")) for text in (shown, printed))
        return abs(one - other) <= CLOSE * max(abs(one), abs(other))
    return shown == printed


def missing(shown: str, printed: str) -> list[str]:
    """Lines that are shown and were not printed, in this order."""
    waiting = iter(printed.splitlines())
    found = []
    for line in shown.splitlines():
        if not tokens(line.replace(LEFT_OUT, "")):
            continue
        rest = list(waiting)
        at = next((i for i, other in enumerate(rest) if like(line, other)), None)
        if at is None:
            found.append(line)
            waiting = iter(rest)
        else:
            waiting = iter(rest[at + 1 :])
    return found
