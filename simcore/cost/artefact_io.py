"""Artefacts as plain arrays (for npz) and back. No file is read or written here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.cost.calibrated import Artefact, KernelFit
from simcore.cost.facts import ChipFacts
from simcore.errors import InputError

SCHEMA = "calibration/1"
_TEXT = ("operation", "format", "kv_format", "kernel")
_SCALAR = ("residual_low", "residual_high", "spread", "rows")
_RAGGED = {"parameters": np.float32, "words": np.uint32, "low": np.float32, "high": np.float32}


def to_arrays(artefact: Artefact) -> dict[str, NDArray[Any]]:
    """Arrays to save: text columns, scalars per fit, and ragged arrays laid end to end with their lengths."""
    fits = artefact.fits
    arrays: dict[str, NDArray[Any]] = {}
    for name in _TEXT:
        arrays[name] = np.array([getattr(fit, name) for fit in fits], dtype=np.str_)
    for name in _SCALAR:
        arrays[name] = np.array([getattr(fit, name) for fit in fits], np.float32)
    for name, kind in _RAGGED.items():
        parts = [np.asarray(getattr(fit, name), kind) for fit in fits]
        arrays[name] = np.concatenate(parts) if parts else np.empty(0, kind)
        arrays[name + "_count"] = np.array([len(part) for part in parts], np.int32)
    return arrays


def from_arrays(arrays: Mapping[str, NDArray[Any]], provenance: Mapping[str, Any], file: str = "") -> Artefact:
    """The artefact of saved arrays and their provenance; raises InputError for an unknown schema."""
    if provenance.get("schema") != SCHEMA:
        raise InputError(f"schema is {provenance.get('schema')!r}, not {SCHEMA!r}", file=file, fix="fit it again")
    loaded = {name: arrays[name] for name in (*_TEXT, *_SCALAR, *_RAGGED, *(f"{n}_count" for n in _RAGGED))}
    ends = {name: np.cumsum(loaded[name + "_count"]) for name in _RAGGED}
    fits = []
    for index in range(len(loaded["operation"])):
        values: dict[str, Any] = {name: str(loaded[name][index]) for name in _TEXT}
        values |= {name: float(loaded[name][index]) for name in _SCALAR}
        values["rows"] = int(values["rows"])
        for name in _RAGGED:
            end = int(ends[name][index])
            part = loaded[name][end - int(loaded[name + "_count"][index]) : end]
            values[name] = part if name == "words" else np.asarray(part, float)
        fits.append(KernelFit(**values))
    table = provenance.get("facts")
    facts = ChipFacts(**table) if table else None
    return Artefact(str(provenance["chip"]), str(provenance["stack"]), tuple(fits), provenance, facts)


def facts_table(chip: ChipFacts) -> dict[str, Any]:
    """The facts that a fit was made with, for its provenance."""
    table = asdict(chip)
    table["peak_flop_per_s"] = {name: float(v) for name, v in chip.peak_flop_per_s.items()}
    return table
