"""Tables of kernel calls: device, operator, m, n, k (matmul alone); `latency_us` where they were measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from simcore.cost.facts import ChipFacts, chip_facts
from simcore.cost.kernel_calls import CALLS, Floats
from simcore.errors import InputError, UnknownName, suggest

COLUMNS = ("device", "operator", "m", "n", "k")
MEASURED = "latency_us"


@dataclass(frozen=True)
class Group:
    """Rows of one chip and kind of kernel."""

    device: str
    kind: str
    at: np.ndarray
    """numbers of its rows"""
    shapes: Floats
    """[rows, 3]"""
    chip: ChipFacts | None
    reason: str = ""
    """why nobody can say"""


def groups(frame: Any, file: str) -> Iterator[Group]:
    """The table by chip and kind. Raises InputError for a missing column or a side that is no whole number."""
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(f"has no column {missing[0]!r}", file=file, fix=f"columns: {', '.join(COLUMNS)}")
    sides = np.stack([_sides(frame, name, file) for name in ("m", "n", "k")], axis=1)
    for (device, kind), part in frame.groupby(["device", "operator"], sort=False, dropna=False):
        at = frame.index.get_indexer(part.index)
        chip, reason = _chip(str(device))
        if str(kind) not in CALLS:
            reason = f"unknown operator {str(kind)!r}; {suggest(str(kind), CALLS)}"
        elif CALLS[str(kind)].has_k and not np.all(sides[at, 2] >= 1):
            raise InputError(f"a {kind} without k", file=file, key="k", fix="give all three sides")
        yield Group(str(device), str(kind), at, sides[at], chip, reason)


def _sides(frame: Any, name: str, file: str) -> Floats:
    from simcore.calibration.tables import numbers

    values = np.asarray(numbers(frame, name, file), float)
    empty = np.isnan(values) if name == "k" else np.zeros(len(values), bool)
    bad = ~empty & (~(values >= 1) | (values != np.floor(values)))
    if bad.any():
        row = int(bad.argmax())
        raise InputError(f"row {row}: {frame[name].tolist()[row]!r} is no whole number from 1", file=file, key=name)
    return np.asarray(np.where(empty, 0.0, values))


def _chip(device: str) -> tuple[ChipFacts | None, str]:
    import hardware_specs

    try:
        return chip_facts(hardware_specs.chip(device)), ""
    except UnknownName as error:
        return None, str(error)
