"""Tables of products on arrays: dataflow, height, width, m, n, k in; compute cycles out, no memory stalls."""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.cost.dataflows import dataflow
from simcore.cost.dataflows._base import Gemm
from simcore.errors import InputError

SIDES = ("height", "width", "m", "n", "k")


def cycles_of(frame: Any, file: str) -> np.ndarray:
    """[rows] cycles. Raises InputError for a missing column, an unknown dataflow or a side that is no whole number."""
    missing = [name for name in ("dataflow", *SIDES) if name not in frame.columns]
    if missing:
        raise InputError(f"has no column {missing[0]!r}", file=file, fix=f"columns: dataflow, {', '.join(SIDES)}")
    sides = {name: _sizes(frame, name, file) for name in SIDES}
    found = np.zeros(len(frame))
    names = np.array(list(map(str, frame["dataflow"])))
    for name in dict.fromkeys(names.tolist()):
        mine = names == name
        height, width, m, n, k = (sides[side][mine] for side in SIDES)
        found[mine] = dataflow(name).cycles(Gemm(m, n, k), height, width)
    return found


def _sizes(frame: Any, name: str, file: str) -> np.ndarray:
    from simcore.calibration.tables import numbers

    values = np.asarray(numbers(frame, name, file))
    bad = ~(values >= 1) | (values != np.floor(values))
    if bad.any():
        row = int(bad.argmax())
        found = frame[name].tolist()[row]
        raise InputError(f"row {row}: {found!r} is no whole number from 1", file=file, key=name, fix="mend it")
    return values
