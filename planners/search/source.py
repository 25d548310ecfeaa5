"""The digest of everything on disk that an answer can depend on: part of the key under which answers are kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

ROOMS = ("simcore", "hardware_specs", "workloads", "scenarios", "planners")
"""packages whose source or data enter an answer; a page that only draws answers is none of them"""
UNREAD = (".pyc", ".nbi", ".nbc", ".tmp", ".pyi")


@cache
def code_digest() -> str:
    """Of the packages that this process runs: the text of their modules and data, about 20 ms, once per process."""
    return source_digest(Path(str(resources.files("simcore"))).parent)


def source_digest(root: Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 over names and contents of every file in the rooms below `root`.

    Names are relative to `root`, so that two checkouts of one state agree; compiled files do not count.
    """
    whole = hashlib.sha256()
    for name, path in _files(root):
        text = path.read_bytes()
        whole.update(b"%s\0%d\0" % (name.encode(), len(text)))
        whole.update(text)
    return whole.hexdigest()[:16]


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    """(name relative to `root`, path) in an order that every file system gives."""
    found = []
    for room in ROOMS:
        for folder, folders, names in os.walk(root / room):
            folders[:] = [inner for inner in folders if inner != "__pycache__"]
            found += [Path(folder, name) for name in names if not name.endswith(UNREAD)]
    yield from sorted((path.relative_to(root).as_posix(), path) for path in found)
