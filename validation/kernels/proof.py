"""Predictions of kernel calls by the shipped fit, or with each row's own shape left out; the fit as a file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from simcore.cost.kernel_calls import CALLS, Floats
from simcore.errors import InputError
from validation.kernels.fit import fit
from validation.kernels.rows import MEASURED, Group, groups


@dataclass(frozen=True)
class Told:
    """What is said of every row; nan where nothing can be, with the reason."""

    predicted_s: Floats
    reasons: list[str]


@cache
def shipped() -> dict[str, Any]:
    """The fit that ships: chip -> kind -> numbers."""
    import tomllib
    from importlib import resources

    path = resources.files("hardware_specs") / "calibration" / "kernel_calls.toml"
    found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["chips"]
    return found


def predict(frame: Any, file: str) -> Told:
    """By the shipped fit; no measured column is read."""
    told, reasons = np.full(len(frame), np.nan), [""] * len(frame)
    for group in groups(frame, file):
        known = shipped().get(group.chip.name, {}) if group.chip else {}
        reason = group.reason or ("" if group.kind in known else f"no calls were measured on {group.device}")
        if not reason and group.chip is not None:
            call = CALLS[group.kind]
            numbers = np.array([known[group.kind][name] for name in call.parameters])
            told[group.at] = call.time_s(group.chip, group.shapes, numbers)
        for at in group.at:
            reasons[at] = reason
    return Told(told, reasons)


def held_out(frame: Any, file: str) -> Told:
    """Every row by a fit of the other shapes of its chip and kind; the table must have `latency_us`."""
    told, reasons = np.full(len(frame), np.nan), [""] * len(frame)
    measured = measured_s(frame, file)
    for group in groups(frame, file):
        for own in range(len(group.at)):
            if group.reason or group.chip is None:
                reasons[group.at[own]] = group.reason
                continue
            others = np.any(group.shapes != group.shapes[own], axis=1)
            numbers = _fitted(group, measured[group.at], others)
            told[group.at[own]] = CALLS[group.kind].time_s(group.chip, group.shapes[[own]], numbers)[0]
    return Told(told, reasons)


def _fitted(group: Group, measured: Floats, kept: np.ndarray) -> Floats:
    assert group.chip is not None
    return fit(group.kind, CALLS[group.kind], group.chip, group.shapes[kept], measured[kept])


def measured_s(frame: Any, file: str) -> Floats:
    """The measured column. Raises InputError for a call that took no time."""
    from simcore.calibration.tables import numbers

    found = np.asarray(numbers(frame, MEASURED, file))
    if not np.all(found > 0):
        row = int((~(found > 0)).argmax())
        raise InputError(f"row {row}: holds no time", file=file, key=MEASURED, fix="leave the row out")
    return found * 1e-6


def fitted_file(frame: Any, file: str, source: str) -> str:
    """The numbers of every chip and kind, as TOML."""
    measured = measured_s(frame, file)
    lines = ['schema = "kernel-calls/1"', f'source = "{source}"', f"rows = {len(frame)}"]
    for group in groups(frame, file):
        if group.reason or group.chip is None:
            continue
        numbers = _fitted(group, measured[group.at], np.ones(len(group.at), bool))
        lines += ["", f'[chips."{group.chip.name}".{group.kind}]  # {len(group.at)} rows']
        lines += [f"{name} = {value:.6g}" for name, value in zip(CALLS[group.kind].parameters, numbers, strict=True)]
    return "\n".join(lines) + "\n"


def errors(frame: Any, told: Told, file: str) -> list[dict[str, Any]]:
    """Median and worst error of each chip and kind, and of each chip (kind "all")."""
    size = np.abs(told.predicted_s / measured_s(frame, file) - 1.0)
    found: list[dict[str, Any]] = []
    by_chip: dict[str, list[np.ndarray]] = {}
    for group in groups(frame, file):
        mine = size[group.at][np.isfinite(size[group.at])]
        if mine.size:
            found.append(_line(group.device, group.kind, mine))
            by_chip.setdefault(group.device, []).append(mine)
    return found + [_line(device, "all", np.concatenate(parts)) for device, parts in by_chip.items()]


def _line(device: str, kind: str, size: np.ndarray) -> dict[str, Any]:
    middle, worst = float(np.median(size)), float(size.max())
    return {"device": device, "operator": kind, "rows": len(size), "median": middle, "worst": worst}
