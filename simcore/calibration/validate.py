"""Scoring predictions against a measured operator table.

The predictions never see the measured column: without it they are the same, byte for byte, and only the scores go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simcore.calibration.split import held_out
from simcore.calibration.tables import Group, groups, times, version_key
from simcore.cost.calibrated import SIBLINGS, OperatorModel

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
BANDS_S = (2e-5, 1e-4, 1e-3)
BAND_NAMES = ("below 20 us", "20 to 100 us", "0.1 to 1 ms", "above 1 ms")


@dataclass(frozen=True, eq=False)
class Scored:
    """One table's predictions `[rows]` and what is needed to score them."""

    operation: str
    predicted_s: Array
    """NaN where not predicted"""
    measured_s: Array
    """NaN where the table has none"""
    spread: Array
    """relative error within which four of five measurements are expected"""
    reason: NDArray[np.object_]
    """why a row has no prediction, or what qualifies it (`datasheet`, `extrapolated`, an older version)"""
    label: list[tuple[str, str, str, str]]
    """(stack, version, format, kernel) of each group"""
    group: NDArray[np.int64]
    """[rows] index into `label`, -1 for rows that no group has"""
    unseen: NDArray[np.bool_]
    """rows of the held-out fifth of shapes"""
    calibrated: NDArray[np.bool_]
    newest: NDArray[np.bool_]
    """rows of the newest version of their stack"""


def score(
    frame: pd.DataFrame, operation: str, model_of: Callable[[str], OperatorModel], file: str | None = None
) -> Scored:
    """Predict every row; `model_of(stack)` gives the operator times of the chip under that stack."""
    found, why = groups(frame, operation, file)
    rows = len(frame)
    blank = np.full(rows, np.nan)
    scored = Scored(
        operation,
        blank.copy(),
        times(frame, file),
        blank.copy(),
        why,
        [(g.stack, g.version, g.format, g.kernel) for g in found],
        np.full(rows, -1, np.int64),
        np.zeros(rows, bool),
        np.zeros(rows, bool),
        np.zeros(rows, bool),
    )
    newest: dict[str, tuple[int, ...]] = {}
    for g in found:
        newest[g.stack] = max(newest.get(g.stack, ()), version_key(g.version))
    for index, g in enumerate(found):
        _predict(scored, g, index, model_of(g.stack), version_key(g.version) == newest[g.stack])
    return scored


def _predict(scored: Scored, g: Group, index: int, model: OperatorModel, newest: bool) -> None:
    """Fill the rows of one group."""
    answer = model.predict(g.operation, g.shapes, g.format, g.kv_format or None, g.kernel)
    row = g.row
    scored.predicted_s[row] = answer.time_s
    scored.spread[row] = answer.relative_error
    scored.group[row] = index
    scored.unseen[row] = held_out(g.shapes)
    unmeasured = answer.source.split(":", 1)[0] == "datasheet"
    scored.calibrated[row] = not unmeasured
    scored.newest[row] = newest
    notes = [{SIBLINGS: "datasheet and its siblings' residual"}.get(answer.source, "datasheet")] if unmeasured else []
    if not unmeasured and g.kernel and answer.source.split(":", 1)[1] != g.kernel:
        notes.append("another kernel's fit")
    if not newest:
        notes.append("older version")
    text = "; ".join(notes)
    outside = "; ".join([*notes, "extrapolated"])
    scored.reason[row] = np.where(answer.extrapolated, outside, text)


def errors(predicted_s: Array, measured_s: Array) -> dict[str, float]:
    """Rows, median, mean and P90 of |predicted / measured - 1|, bias (median of the signed one), worst factor."""
    ratio = predicted_s / measured_s
    wrong = np.abs(ratio - 1.0)
    return {
        "rows": len(ratio),
        "median": float(np.median(wrong)),
        "mean": float(wrong.mean()),
        "p90": float(np.quantile(wrong, 0.9)),
        "bias": float(np.median(ratio) - 1.0),
        "worst_factor": float(np.exp(np.abs(np.log(ratio)).max())),
    }


def report(scored: Scored) -> dict[str, Any]:
    """Coverage, and errors by stack, format, kernel and size band, the newest version of each stack first."""
    usable = np.isfinite(scored.measured_s) & (scored.measured_s > 0)
    good = usable & np.isfinite(scored.predicted_s)
    table: dict[str, Any] = {
        "operation": scored.operation,
        "rows": len(scored.measured_s),
        "coverage": float(np.isfinite(scored.predicted_s).mean()),
        "calibrated": float(scored.calibrated.mean()),
        "extrapolated": float(np.mean(["extrapolated" in str(r) for r in scored.reason])),
    }
    if not good.any():
        return table
    current = good & scored.newest
    table["within_interval"] = float(
        np.mean(np.abs(np.log(scored.measured_s / scored.predicted_s))[current] <= scored.spread[current])
    )
    for name, mask in (("newest", current), ("newest_unseen_shapes", current & scored.unseen)):
        if mask.any():
            table[name] = _errors(scored, mask)
    table["groups"] = list(_by_group(scored, good))
    table["bands"] = list(_by_band(scored, current))
    return table


def _errors(scored: Scored, mask: NDArray[np.bool_]) -> dict[str, float]:
    return errors(scored.predicted_s[mask], scored.measured_s[mask])


def _by_group(scored: Scored, good: NDArray[np.bool_]) -> Any:
    """One entry per (stack, version, format, kernel), all rows and the held-out fifth."""
    for index, (stack, version, number, kernel) in enumerate(scored.label):
        mask = good & (scored.group == index)
        if not mask.any():
            continue
        entry: dict[str, Any] = {"stack": stack, "version": version, "format": number, "kernel": kernel}
        entry["newest"] = bool(scored.newest[mask][0])
        entry["source"] = "calibrated" if scored.calibrated[mask][0] else "datasheet"
        entry |= _errors(scored, mask)
        hidden = mask & scored.unseen
        if hidden.any():
            entry["unseen_shapes"] = _errors(scored, hidden)
        yield entry


def _by_band(scored: Scored, mask: NDArray[np.bool_]) -> Any:
    """Errors by stack and by measured time."""
    stacks = np.array([scored.label[g][0] if g >= 0 else "" for g in scored.group], object)
    band = np.digitize(scored.measured_s, BANDS_S)
    for stack in sorted(set(stacks[mask])):
        for index, name in enumerate(BAND_NAMES):
            part = mask & (stacks == stack) & (band == index)
            if part.any():
                yield {"stack": stack, "band": name} | _errors(scored, part)


def worst(scored: Scored, count: int = 5) -> list[int]:
    """Rows of the newest versions with the largest |log(predicted / measured)|."""
    with np.errstate(all="ignore"):
        size = np.abs(np.log(scored.predicted_s / scored.measured_s))
    size = np.where(np.isfinite(size) & scored.newest, size, -1.0)
    return [int(row) for row in np.argsort(-size)[:count] if size[row] > 0]


def predictions(scored: Scored) -> pd.DataFrame:
    """row, predicted_latency_ms (empty where not predicted), reason."""
    import pandas as pd

    ms = scored.predicted_s * 1e3
    return pd.DataFrame({"row": np.arange(len(ms)), "predicted_latency_ms": ms, "reason": scored.reason})
