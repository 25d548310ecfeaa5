"""Writing an artefact: `<stack>.npz` with the arrays and `<stack>.toml` with the provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.cost.artefact_io import POWER, pack_records, to_arrays
from simcore.cost.calibrated import Artefact
from simcore.cost.kernel_power import PowerFit


def save(artefact: Artefact, folder: Path, name: str | None = None) -> Path:
    """Write the artefact under `folder`; returns the npz path."""
    return write(folder, name or artefact.stack, to_arrays(artefact), artefact.provenance)


def save_power(folder: Path, fits: Sequence[PowerFit], provenance: Mapping[str, Any]) -> Path:
    """Write `power.npz` and `power.toml` under `folder`; returns the npz path."""
    return write(folder, "power", pack_records(fits, POWER), provenance)


def write(folder: Path, stem: str, arrays: Mapping[str, NDArray[Any]], provenance: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path, told = folder / f"{stem}.npz", folder / f"{stem}.toml"
    parts = [place.with_name(f".{place.name}.simcore-part") for place in (path, told)]
    try:
        with parts[0].open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        parts[1].write_text(toml_text(provenance), encoding="utf-8")
        for part, place in zip(parts, (path, told), strict=True):
            part.replace(place)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return path


def toml_text(table: Mapping[str, Any]) -> str:
    """TOML of plain values, one level of tables and arrays of tables."""
    lines = [f"{_key(k)} = {_value(v)}" for k, v in table.items() if not _is_table(v)]
    for name, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{_key(name)}]", *(f"{_key(k)} = {_value(v)}" for k, v in value.items())]
        elif _is_table(value):
            for item in value:
                lines += ["", f"[[{_key(name)}]]", *(f"{_key(k)} = {_value(v)}" for k, v in item.items())]
    return "\n".join(lines) + "\n"


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and bool(value) and isinstance(value[0], Mapping))


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(float(value)) if isinstance(value, float) else str(value)
