"""Digests of shipped data and of a scenario's own files, part of the keys under which answers are kept."""

from __future__ import annotations

import hashlib
import os
from importlib import resources
from pathlib import Path

from simcore.spec.scenario import Scenario


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
    """Of chips, nodes, clusters, links and stacks."""
    return folder_digest("hardware_specs", "chips", "nodes", "clusters", "links", "stacks")


def file_digests(scenario: Scenario) -> tuple[str, ...]:
    """Of the files that a scenario names: its trace, its profiles."""
    here, steps, traffic = Path(scenario.file).parent, scenario.steps, scenario.traffic
    named = [traffic.trace if traffic else None, *((steps.mlp, steps.attention, steps.folder) if steps else ())]
    found: list[Path] = []
    for name in named:
        path = here / os.path.expandvars(name or "")
        found += [] if not name else sorted(path.rglob("*")) if path.is_dir() else [path]
    return tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in found if path.is_file())
