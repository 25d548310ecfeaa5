"""Placeholder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Found:
    value: Any
    notes: tuple[str, ...] = ()


def resolve(kind: str, value: Any, folder: str | Path = ".", file: str | None = None, key: str | None = None) -> Found:
    import hardware_specs
    import workloads

    if kind == "model":
        return Found(workloads.model_or_file(value))
    return Found(getattr(workloads if kind == "traffic" else hardware_specs, kind)(value))
