"""Finding calibration artefacts: `calibration("h200-sxm", "vllm")` gives the operator times of that chip and stack."""

from __future__ import annotations

import io
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from simcore.cost.artefact_io import from_arrays
from simcore.cost.calibrated import Artefact, OperatorModel
from simcore.cost.facts import chip_facts
from simcore.errors import UnknownName

STACKS = ("vllm", "trtllm", "sglang", "datasheet")
SHARED = ("nccl",)
"""artefacts that belong to every stack"""


@cache
def artefact(folder: str, name: str) -> Artefact | None:
    """The artefact of one file, `hardware_specs/calibration/<folder>/<name>.npz`; None when there is none."""
    import tomllib

    base = resources.files("hardware_specs") / "calibration"
    place = base / folder if folder else base
    path = place / f"{name}.npz"
    if not path.is_file():
        return None
    provenance = tomllib.loads((place / f"{name}.toml").read_text(encoding="utf-8"))
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
        return from_arrays({key: arrays[key] for key in arrays.files}, provenance, f"calibration/{folder}/{name}.npz")


def measured_stacks(chip_name: str) -> list[str]:
    """Stacks with an artefact for a chip (its spec name)."""
    place = resources.files("hardware_specs") / "calibration" / chip_name
    if not place.is_dir():
        return []
    return sorted(p.name.removesuffix(".npz") for p in place.iterdir() if p.name.endswith(".npz"))


def calibration(chip: Any, stack: str = "datasheet") -> OperatorModel:
    """Operator times of a chip (a name, an alias or a `Chip`) under a stack.

    Without an artefact for the pair, and always for stack `datasheet`, the data-sheet laws answer. Raises UnknownName
    for a stack outside STACKS or a chip without a spec.
    """
    from hardware_specs import chip as chips

    if stack not in STACKS:
        raise UnknownName("stack", stack, STACKS)
    spec = chips(chip) if isinstance(chip, str) else chip
    found = [] if stack == "datasheet" else [artefact(spec.name, name) for name in (stack, *SHARED)]
    laws = artefact("", "datasheet")
    assert laws is not None, "hardware_specs/calibration/datasheet.npz is part of the package"
    return OperatorModel(chip_facts(spec), stack, tuple(a for a in found if a is not None), laws)
