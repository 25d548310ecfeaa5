"""A page, done as it says, in one process: the command line in-process, other programs by the shell."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cli
from tests.docs.pages import Fence, commands


@dataclass
class Session:
    """What one page's reader has at hand."""

    folder: Path
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})
    printed: str | None = ""
    """by the fence before; None: it was not run"""

    def do(self, fence: Fence) -> None:
        """Run or write one fence. Raises AssertionError where a command ends otherwise than told."""
        if fence.title:
            path = self.folder / fence.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(fence.text, encoding="utf-8")
        elif fence.language == "python":
            with self.here() as printed:
                exec(compile(fence.text, f"python at line {fence.line}", "exec"), self.names)
            self.printed = printed.getvalue()
        elif fence.language == "sh":
            self.printed = "".join(self.run(command, code) for command, code in commands(fence.text))

    def run(self, line: str, code: int) -> str:
        """What a line prints; its commands are joined by `&&`."""
        printed = ""
        for command in line.split("&&"):
            command, _, file = command.partition(" > ")
            words = shlex.split(command)
            if words[0] == "simcore" and "|" not in words:
                ended, out, err = self.simcore(words[1:])
            else:
                ended, out, err = self.shell(command)
            assert ended == code, f"{command}\nended with {ended}: {err or out[-2000:]}"
            if file.strip():
                (self.folder / file.strip()).write_text(out, encoding="utf-8")
            else:
                printed += out + err
        return printed

    def simcore(self, words: list[str]) -> tuple[int, str, str]:
        """(exit code, output, errors) of the command line, called as its entry point is."""
        errors = io.StringIO()
        before = sys.argv
        sys.argv = ["simcore", *words]
        try:
            with self.here() as printed, contextlib.redirect_stderr(errors):
                cli.main()
        except SystemExit as ended:
            return int(ended.code or 0), printed.getvalue(), errors.getvalue()
        finally:
            sys.argv = before
        raise AssertionError("main returned")

    def shell(self, command: str) -> tuple[int, str, str]:
        """The same of another program."""
        done = subprocess.run(["bash", "-c", command], cwd=self.folder, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    @contextlib.contextmanager
    def here(self) -> Iterator[io.StringIO]:
        """In the folder, with its modules importable and what is printed kept."""
        printed = io.StringIO()
        sys.path.insert(0, str(self.folder))
        try:
            with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
                yield printed
        finally:
            sys.path.remove(str(self.folder))

    def leave(self) -> None:
        """Forget the page's modules and what it registered."""
        from simcore import registry

        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(f"{self.folder}{os.sep}"):
                del sys.modules[name]
                for kind in registry.GROUPS:
                    registry.unregister(kind, registry.normal(name))


def inline(page: Path) -> Iterator[list[str]]:
    """The words of every `simcore ...` that stands within a sentence or in a comment."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for found in re.findall(r"`(?:\$ )?simcore ([a-z][^`]*)`", text):
        yield found.replace("\n", " ").split()
