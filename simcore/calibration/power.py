"""Fitting power: utilisation laws and residuals from the measured kernels that carry `power_w`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.calibration.residual import learn
from simcore.calibration.split import held_out
from simcore.calibration.tables import LAYOUTS, Group, groups, numbers, read_table, table_files, version_key
from simcore.cost.facts import ChipFacts, kernel_format
from simcore.cost.kernel_power import START, PowerFit, features, fraction, utilisation
from simcore.cost.laws._base import Setting
from simcore.cost.operator_laws import law

Array = NDArray[np.float64]
LEAST_ROWS = 200
SAMPLE = 4000


@dataclass(frozen=True, eq=False)
class Powered:
    """Rows of one (operation, format, stack) with their measured power."""

    group: Group
    power_w: Array


def powered(folder: Path) -> list[Powered]:
    """Everything with power in a folder of tables: newest version that has it, all kernels of a format together."""
    found: list[Powered] = []
    for operation in LAYOUTS:
        for path in table_files(folder, operation):
            found += _powered(read_table(str(path)), operation, str(path))
    return [p for p in found if len(p.power_w) >= LEAST_ROWS]


def _powered(frame: Any, operation: str, file: str) -> list[Powered]:
    """The rows of one table that have power."""
    if "power_w" not in frame:
        return []
    watts = numbers(frame, "power_w", file)
    parts = [g.take(np.isfinite(watts[g.row]) & (watts[g.row] > 0)) for g in groups(frame, operation, file)[0]]
    return [Powered(g, watts[g.row]) for g in _merged([p for p in parts if len(p.row)])]


def _merged(parts: list[Group]) -> list[Group]:
    """One group per (stack, format), of the newest version with power."""
    newest: dict[tuple[str, str], tuple[int, ...]] = {}
    for g in parts:
        newest[g.stack, g.format] = max(newest.get((g.stack, g.format), ()), version_key(g.version))
    merged: dict[tuple[str, str], list[Group]] = {}
    for g in parts:
        if version_key(g.version) == newest[g.stack, g.format]:
            merged.setdefault((g.stack, g.format), []).append(g)
    return [_joined(same) for same in merged.values()]


def _joined(same: list[Group]) -> Group:
    shapes = {name: np.concatenate([g.shapes[name] for g in same]) for name in same[0].shapes}
    time_s = np.concatenate([g.time_s for g in same])
    return replace(same[0], shapes=shapes, time_s=time_s, row=np.concatenate([g.row for g in same]))


def fit_power(
    chip: ChipFacts, folder: Path, say: Callable[[str], None] = lambda text: None
) -> list[tuple[PowerFit, dict[str, float]]]:
    """Fits of one chip, each with its errors on held-out shapes."""
    results = []
    for item in powered(folder):
        fit, error = fit_one(chip, item)
        say(f"{fit.operation} {fit.format} {fit.stack}: {fit.rows} rows, {_line(error)}, {fit.numbers} numbers")
        results.append((fit, error))
    return results


def _line(error: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1%}" for name, value in error.items() if name != "rows")


def fit_one(chip: ChipFacts, item: Powered) -> tuple[PowerFit, dict[str, float]]:
    """Law and residual on four fifths of the shapes, errors on the rest."""
    group, aside = item.group, held_out(item.group.shapes)
    known, watts = group.take(~aside), item.power_w[~aside]
    setting = Setting(chip, kernel_format(group.format))
    parameters = fit_fraction([(chip, known, watts)])
    work = law(group.operation).work(known.shapes, setting)
    share = _share(chip, work, setting, known.time_s, parameters)
    table = np.stack(features(group.operation, work, setting, known.time_s), axis=1).astype(np.float32)
    words = learn(table, np.log(watts / chip.tdp_w / share), int(0.099 * len(group.time_s)) - 6)
    fit = PowerFit(group.operation, group.format, group.stack, parameters, words, 0.0, len(watts))
    unseen = group.take(aside)
    ratio = predict(fit, chip, unseen) / item.power_w[aside]
    error = {"rows": float(len(ratio)), **_errors(ratio, "")}
    long = unseen.time_s > 3e-5
    if long.sum() > 10:
        error |= _errors(ratio[long], " above 30 us")
    return replace(fit, spread=float(np.quantile(np.abs(np.log(ratio)), 0.8))), error


def _errors(ratio: Array, name: str) -> dict[str, float]:
    wrong = np.abs(ratio - 1.0)
    return {f"median{name}": float(np.median(wrong)), f"mean{name}": float(wrong.mean())}


def predict(fit: PowerFit, chip: ChipFacts, group: Group) -> Array:
    """Watts `[rows]` of measured rows, from shape and measured time."""
    from simcore.cost.kernel_power import PowerModel

    model = PowerModel(chip, (fit,), (fit,))
    return model.power_w(group.operation, group.shapes, group.time_s, group.format, group.stack)


def _share(chip: ChipFacts, work: dict[str, Array], setting: Setting, time_s: Array, p: Array) -> Array:
    tensor, memory = utilisation(work, setting, time_s)
    return fraction(tensor, memory, chip.idle_w / chip.tdp_w, p)


def fit_fraction(items: list[tuple[ChipFacts, Group, Array]]) -> Array:
    """The law's five numbers, robust log error, each item weighed alike."""
    from scipy.optimize import least_squares

    parts = []
    for chip, group, watts in items:
        pick = np.random.default_rng(0).permutation(len(watts))[:SAMPLE]
        some = group.take(pick)
        setting = Setting(chip, kernel_format(group.format))
        busy = utilisation(law(group.operation).work(some.shapes, setting), setting, some.time_s)
        target = np.log(watts[pick] / chip.tdp_w)
        parts.append((busy, chip.idle_w / chip.tdp_w, target, 1.0 / np.sqrt(len(pick))))

    def wrong(logs: Array) -> Array:
        p = np.exp(logs)
        rows = [(np.log(fraction(*busy, idle, p)) - target) * weight for busy, idle, target, weight in parts]
        return np.concatenate([*rows, 0.01 * (logs - np.log(START))])

    found = least_squares(wrong, np.log(START), loss="soft_l1", f_scale=0.1 * parts[0][3], max_nfev=60)
    return np.asarray(np.exp(found.x), float)


def fit_common(measured: list[tuple[ChipFacts, list[Powered]]]) -> list[PowerFit]:
    """Per (operation, format) and per operation the law over all chips, without residual, for chips never measured."""
    items = [(chip, p) for chip, found in measured for p in found]
    fits = []
    for operation, number in sorted({(p.group.operation, p.group.format) for _, p in items}):
        rows = [(c, p) for c, p in items if (p.group.operation, p.group.format) == (operation, number)]
        parameters = fit_fraction([(c, *_seen(p)) for c, p in rows])
        wrong = np.concatenate([_logs(c, p, parameters) for c, p in rows])
        spread = float(np.quantile(np.abs(wrong), 0.8))
        fits.append(PowerFit(operation, number, "", parameters, np.empty(0, np.uint32), spread, len(wrong)))
    return fits


def _seen(item: Powered) -> tuple[Group, Array]:
    known = ~held_out(item.group.shapes)
    return item.group.take(known), item.power_w[known]


def _logs(chip: ChipFacts, item: Powered, parameters: Array) -> Array:
    group, watts = _seen(item)
    setting = Setting(chip, kernel_format(group.format))
    work = law(group.operation).work(group.shapes, setting)
    return np.asarray(np.log(watts / chip.tdp_w / _share(chip, work, setting, group.time_s, parameters)))


def build_power(
    chip: ChipFacts, folder: Path, source: str, out: Path, say: Callable[[str], None] = lambda text: None
) -> Path | None:
    """Fit and save `power.npz` of one chip under `out`; None when no table carries power."""
    from simcore.calibration.store import save_power

    found = fit_power(chip, folder, say)
    if not found:
        say("no table here has power_w")
        return None
    record = _record(chip.name, source, [fit for fit, _ in found])
    record["fit"] = [
        {"operation": fit.operation, "format": fit.format, "stack": fit.stack, "rows": fit.rows, "numbers": fit.numbers}
        | {name.replace(" ", "_"): round(value, 4) for name, value in error.items() if name != "rows"}
        | {"held_out_rows": int(error["rows"])}
        for fit, error in found
    ]
    return save_power(out, [fit for fit, _ in found], record)


def build_common(chips: list[tuple[ChipFacts, Path]], source: str, out: Path) -> Path:
    """Fit and save the power laws of all chips together, for chips never measured."""
    from simcore.calibration.store import save_power

    measured = [(chip, powered(folder)) for chip, folder in chips]
    fits = fit_common([(chip, found) for chip, found in measured if found])
    record = _record("any", source, fits) | {"chips": [chip.name for chip, found in measured if found]}
    return save_power(out, fits, record)


def _record(chip: str, source: str, fits: list[PowerFit]) -> dict[str, Any]:
    """Provenance of power fits."""
    import datetime

    from simcore.cost.artefact_io import SCHEMA

    totals = {"rows": sum(fit.rows for fit in fits), "numbers": sum(fit.numbers for fit in fits)}
    date = datetime.date.today().isoformat()
    return {"schema": SCHEMA, "chip": chip, "stack": "power", "source": source, "date": date} | totals
