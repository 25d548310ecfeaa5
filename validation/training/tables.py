"""A training table as questions and, where it has them, measurements; its kind is told by its header."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, SimcoreError
from validation.training.bridge_table import read_bridge
from validation.training.cells import number
from validation.training.question import Asked
from validation.training.steps_table import read_memory, read_step
from validation.training.torchtitan_table import read_torchtitan

KINDS = (
    ("torchtitan", {"local_batch", "fsdp", "seq"}, read_torchtitan),
    ("bridge", {"gbs", "mbs", "seq", "system"}, read_bridge),
    ("steps", {"hidden", "layers", "micro_batch", "global_batch"}, read_step),
    ("memory", {"model", "micro_batch", "global_batch", "recompute"}, read_memory),
)
"""(kind, columns that only it has, reader), the most telling first"""
Floats = NDArray[np.float64]


def read_frame(path: Path) -> Any:
    """The table as text cells. Raises InputError."""
    from simcore.calibration.tables import read_csv
    from simcore.spec.load import read_text

    text = read_text(path, "give the path of a CSV table")
    frame = read_csv(text, str(path), dtype=str, keep_default_na=False)
    if not len(frame):
        raise InputError("has no rows", file=str(path), fix="give a table of training runs")
    frame.attrs["file"] = str(path)
    return frame


def kind_of(columns: Any, file: str = "") -> str:
    """The kind of a table. Raises InputError for a header that no kind has."""
    have = set(columns)
    for kind, wanted, _ in KINDS:
        if wanted <= have:
            return kind
    fix = "columns of one of: " + "; ".join(f"{kind} ({', '.join(sorted(w))})" for kind, w, _ in KINDS)
    raise InputError("is no training table that simcore knows", file=file, fix=fix)


def read_questions(frame: Any, file: str = "") -> list[Asked]:
    """One question per row; what cannot be asked says why."""
    kind = kind_of(frame.columns, file)
    reader = next(read for name, _, read in KINDS if name == kind)
    found = []
    for at, row in enumerate(frame.to_dict("records")):
        try:
            found.append(reader(row, at))
        except (SimcoreError, ValueError, ArithmeticError) as error:
            found.append(Asked(at, kind, reason=" ".join(str(error).split())[:200]))
    return found


def measured(frame: Any) -> dict[str, Floats]:
    """Measured columns, nan where a row has none: step_time_s, tokens_per_s_per_chip, memory_gib, activations."""
    rows: list[Mapping[str, Any]] = frame.to_dict("records")
    names = {
        "step_time_s": ("iter_time_s", "derived_step_time_s", "step_time_s"),
        "tokens_per_s_per_chip": ("tokens_per_s_per_gpu",),
        "memory_gib": ("memory_gib",),
        "param_opt_gib": ("param_opt_gib",),
        "activation_gib": ("activation_gib",),
        "activation_pct_of_none": ("activation_pct_of_none",),
    }
    return {key: np.array([_first(row, columns) for row in rows]) for key, columns in names.items()}


def _first(row: Mapping[str, Any], columns: tuple[str, ...]) -> float:
    """The first of the columns that holds a number."""
    for name in columns:
        value = number(row, name)
        if value is not None:
            return value
    return float("nan")
