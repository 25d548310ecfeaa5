"""Digests of shipped data, part of the keys under which answers are kept."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path


def folder_digest(package: str, *folders: str) -> str:
    """First 16 hexadecimal digits of the SHA-256 of every file below some folders of a package."""
    whole = hashlib.sha256()
    for folder in folders:
        base = Path(str(resources.files(package))) / folder
        for path in sorted(p for p in base.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")):
            whole.update(path.relative_to(base).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:16]


def calibration_digest() -> str:
    """Of every fitted artefact, so that a new fit is a new question."""
    return folder_digest("hardware_specs", "calibration")


def hardware_digest() -> str:
    """Of chips, nodes, clusters and links."""
    return folder_digest("hardware_specs", "chips", "nodes", "clusters", "links")
