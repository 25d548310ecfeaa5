"""`python -m tests.docs [PAGE ...]`: run pages, and write what is printed today into the outputs that they show.

Of each shown line the printed line most like it takes the place; lines with `...` stay as they are.
"""

from __future__ import annotations

import difflib
import sys
import tempfile
from pathlib import Path

import cli
from tests.docs.pages import LEFT_OUT, NUMBER, fences, missing, pages
from tests.docs.session import Session

ALIKE = 0.6
"""share of a line's letters, numbers aside, that another must have to take its place"""


def main(names: list[str]) -> None:
    """All pages, or those named."""
    cli.mount_one = lambda command: cli.mount()  # as in the tests: one process, all commands
    for page in [Path(name).resolve() for name in names] or pages():
        with tempfile.TemporaryDirectory() as folder:
            renew(page, Session(Path(folder).resolve()))


def renew(page: Path, session: Session) -> None:
    """One page."""
    text = page.read_text(encoding="utf-8")
    for fence in fences(page):
        if fence.reason:
            session.printed = None
        elif fence.language != "text" or fence.title:
            session.do(fence)
        elif session.printed is not None and missing(fence.text, session.printed):
            print(f"{page.name}:{fence.line}: written anew")
            text = text.replace(f"```text\n{fence.text}```", f"```text\n{renewed(fence.text, session.printed)}```")
    session.leave()
    page.write_text(text, encoding="utf-8")


def renewed(shown: str, printed: str) -> str:
    """The shown lines as they are printed today."""
    if not shown.strip():
        return printed
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    found = []
    for line in shown.splitlines():
        near = max(lines, key=lambda other: alike(line, other), default="")
        kept = LEFT_OUT in line or not near or alike(line, near)[0] < ALIKE
        found.append(line if kept else near)
    return "\n".join(found) + "\n"


def alike(one: str, other: str) -> tuple[float, float]:
    """How much of two lines is the same: numbers aside, then with them."""
    shapes = difflib.SequenceMatcher(None, NUMBER.sub("0", one), NUMBER.sub("0", other)).ratio()
    return round(shapes, 2), difflib.SequenceMatcher(None, one, other).ratio()


if __name__ == "__main__":
    main(sys.argv[1:])
