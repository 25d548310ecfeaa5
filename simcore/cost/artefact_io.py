"""Artefacts as plain arrays (for npz) and back. No file is read or written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.cost.built_on import own_part
from simcore.cost.calibrated import Artefact, KernelFit
from simcore.cost.facts import ChipFacts
from simcore.cost.kernel_power import PowerFit
from simcore.cost.trees import AGAIN
from simcore.errors import InputError
from simcore.kept.lazy import dataclass

SCHEMA = "calibration/1"
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Layout:
    """Which fields of a record are text, numbers, and arrays of their own length."""

    text: tuple[str, ...]
    scalar: tuple[str, ...]
    ragged: Mapping[str, type]
    optional: tuple[str, ...] = ()
    """fields that older files lack"""


KERNELS = Layout(
    ("operation", "format", "kv_format", "kernel", "base"),
    ("residual_low", "residual_high", "spread", "rows", "away_spread"),
    {
        "parameters": np.float32,
        "words": np.uint32,
        "low": np.float32,
        "high": np.float32,
        "shared_words": np.uint32,
        "known": np.float32,
    },
    optional=("away_spread", "shared_words", "known", "base"),
)
POWER = Layout(("operation", "format", "stack"), ("spread", "rows"), {"parameters": np.float32, "words": np.uint32})


def pack_records(records: Sequence[Any], layout: Layout) -> Arrays:
    """Arrays to save: one per text or scalar field, and ragged arrays laid end to end with their lengths."""
    arrays: Arrays = {name: np.array([getattr(r, name) for r in records], dtype=np.str_) for name in layout.text}
    arrays |= {name: np.array([getattr(r, name) for r in records], np.float32) for name in layout.scalar}
    for name, kind in layout.ragged.items():
        parts: list[NDArray[Any]] = [np.asarray(getattr(r, name), kind) for r in records]
        arrays[name] = np.concatenate(parts) if parts else np.empty(0, kind)
        arrays[name + "_count"] = np.array([len(part) for part in parts], np.int32)
    return arrays


def unpack_records(arrays: Mapping[str, NDArray[Any]], layout: Layout, file: str = "") -> list[dict[str, Any]]:
    """The fields of every record. Raises InputError where lengths do not belong together."""
    lacking = {name for name in layout.optional if name not in arrays}
    ragged = {name: kind for name, kind in layout.ragged.items() if name not in lacking}
    counts = {name: arrays[name + "_count"] for name in ragged}
    check_arrays(arrays, layout, lacking, file)
    parts: dict[str, Any] = {name: np.split(arrays[name], np.cumsum(counts[name])[:-1]) for name in ragged}
    scalar = [name for name in layout.scalar if name not in lacking]
    text = [name for name in layout.text if name not in lacking]
    columns = {name: arrays[name] for name in (*text, *scalar)}
    records = []
    for index in range(len(columns[text[0]])):
        values: dict[str, Any] = {name: str(columns[name][index]) for name in text}
        values |= {name: float(columns[name][index]) for name in scalar}
        values["rows"] = int(values["rows"])
        for name, kind in ragged.items():
            part = parts[name][index]
            values[name] = part if kind is np.uint32 else np.asarray(part, float)
        records.append(values)
    return records


def check_arrays(arrays: Mapping[str, NDArray[Any]], layout: Layout, lacking: set[str], file: str) -> None:
    """Raise InputError where kinds or lengths of arrays do not belong together, or a number is infinite."""
    records = len(arrays[layout.text[0]])
    for names, kinds in ((layout.text, "U"), (layout.scalar, "fiu")):
        for name in (one for one in names if one not in lacking):
            if arrays[name].shape != (records,) or arrays[name].dtype.kind not in kinds or endless(arrays[name]):
                raise InputError("is not one finite value a fit", file=file, key=name, fix=AGAIN)
    for name, kind in layout.ragged.items():
        if name in lacking:
            continue
        values, count = arrays[name], arrays[name + "_count"]
        if values.ndim != 1 or values.dtype.kind != np.dtype(kind).kind or endless(values):
            raise InputError(f"is no list of finite {np.dtype(kind).name}", file=file, key=name, fix=AGAIN)
        if name == "parameters" and not (values > 0).all():
            raise InputError("is no list of numbers above zero", file=file, key=name, fix=AGAIN)
        whole = count.shape == (records,) and count.dtype.kind in "iu" and not (count < 0).any()
        if not whole or int(count.sum()) != len(values):
            raise InputError("its lengths are not those of its numbers", file=file, key=f"{name}_count", fix=AGAIN)


def endless(values: NDArray[Any]) -> bool:
    """Whether one of numbers is infinite or none."""
    return values.dtype.kind == "f" and not bool(np.isfinite(values).all())


def to_arrays(artefact: Artefact) -> Arrays:
    """Arrays of an artefact's fits."""
    return pack_records([own_part(fit) for fit in artefact.fits], KERNELS)


def from_arrays(arrays: Mapping[str, NDArray[Any]], provenance: Mapping[str, Any], file: str = "") -> Artefact:
    """The artefact of saved arrays and their provenance, fits not yet on their bases; raises InputError."""
    check_schema(provenance, file)
    table = provenance.get("facts")
    facts = ChipFacts(**table) if table else None
    fits = tuple(KernelFit(**values) for values in unpack_records(arrays, KERNELS, file))
    return Artefact(str(provenance["chip"]), str(provenance["stack"]), fits, provenance, facts)


def power_from_arrays(
    arrays: Mapping[str, NDArray[Any]], provenance: Mapping[str, Any], file: str = ""
) -> tuple[PowerFit, ...]:
    """Power fits of saved arrays; raises InputError for an unknown schema."""
    check_schema(provenance, file)
    return tuple(PowerFit(**values) for values in unpack_records(arrays, POWER, file))


def check_schema(provenance: Mapping[str, Any], file: str) -> None:
    if provenance.get("schema") != SCHEMA:
        raise InputError(f"schema is {provenance.get('schema')!r}, not {SCHEMA!r}", file=file, fix=AGAIN)


def facts_table(chip: ChipFacts) -> dict[str, Any]:
    """The facts that a fit was made with, for its provenance."""
    table = asdict(chip)
    table["peak_flop_per_s"] = {name: float(v) for name, v in chip.peak_flop_per_s.items()}
    return table
