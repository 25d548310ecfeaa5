"""One side of a comparison: the inputs, the figures and the latencies of a scenario, a run, a sweep or a `size`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.estimate import estimate
from scenarios.answer import METRICS, named, numbers_of
from scenarios.read import read
from scenarios.simulate import simulate
from scenarios.train import train_scenario
from simcore.errors import InputError
from simcore.spec.arguments import one_of
from simcore.spec.load import build, read_json
from simcore.spec.scenario import Scenario
from simcore.spec.version import VERSION

LATENCIES = ("ttft_s", "tpot_s", "e2e_s")
SIZED = ("recommended.toml", "nearest.toml")
"""scenarios that `size` leaves"""
CHOSEN = ("system", "weights", "kv", "tp", "pp", "attention_dp", "ep", "cp", "dp", "batch")
"""columns of a sweep's row that say its plan"""
SILENT = ("name", "title")
"""inputs that change no answer"""


@dataclass(frozen=True)
class Side:
    """Inputs by dotted key; figures under the names of every verb; [requests] seconds of each latency, where known."""

    name: str
    verb: str
    inputs: Mapping[str, Any]
    figures: Mapping[str, float]
    samples: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    """figure -> half the width of its 95 % interval over seeds"""
    intervals: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """figure -> ends of its 80 % interval, where measurements tell one"""
    reason: str = ""
    """why there is no answer"""
    notes: tuple[str, ...] = ()


def read_side(path: Path, verb: str = "simulate", seeds: int = 1) -> Side:
    """A scenario file, answered now; or a folder that `simulate`, `sweep` or `size` left. Raises InputError."""
    if not os.path.isdir(path):
        return of_scenario(read(path), str(path), verb, seeds)
    if (path / "summary.json").exists():
        return of_run(path)
    if (path / "study.json").exists():
        return of_sweep(path)
    for name in SIZED:
        if (path / name).exists():
            return of_scenario(read(path / name), str(path / name), verb, seeds)
    fix = "give scenario files, or folders that simulate, sweep or size wrote"
    raise InputError("holds no finished run", file=str(path), fix=fix)


def of_scenario(scenario: Scenario, name: str, verb: str, seeds: int) -> Side:
    """A scenario answered by `simulate`, `estimate`, or `train` where it has [training]."""
    one_of(verb, "by", ("simulate", "estimate"))
    inputs = flattened(scenario.tables()) | {"simcore": VERSION}
    if scenario.training is not None:
        flat = train_scenario(scenario).flat
        return Side(name, "train", inputs, numbers(flat), reason=str(flat["reason"]), notes=tuple(flat["notes"]))
    if verb == "estimate":
        flat = estimate(scenario).flat
        ends: dict[str, tuple[float, ...]] = {key: tuple(both) for key, both in flat["intervals"].items()}
        reason = flat["reason"] or ""
        return Side(name, verb, inputs, numbers(flat), intervals=ends, reason=reason, notes=tuple(flat["notes"]))
    found = simulate(scenario, seeds)
    flat = found.flat
    spread: dict[str, float] = {}
    for key, told in found.report.get("over_seeds", {}).items():
        if isinstance(told, dict):
            metric, _, statistic = key.partition("_s.")
            own = f"{metric}_{statistic}_s" if statistic else key
            flat[own], spread[own] = told["mean"], told["half_width"]
    samples: dict[str, NDArray[np.float64]] = {}
    if found.run is not None:
        from simcore.engine.metrics import request_metrics

        samples = finite(request_metrics(found.run))
    reason = flat["reason"] or ""
    notes = tuple(flat["notes"])
    return Side(name, "simulate", inputs, numbers(flat), samples, spread, reason=reason, notes=notes)


def of_run(folder: Path) -> Side:
    """A folder of `simulate --out`."""
    file, asked = folder / "summary.json", folder / "asked.json"
    report = read_json(file)
    tables = [report.get(f"{name}_s", {}) for name in METRICS]
    if not all(isinstance(table, dict) for table in tables) or not all(name in report for name in LATENCIES):
        raise InputError("is no summary of a run", file=str(file), fix="simulate --out again")
    figures = sound(numbers(numbers_of(report)), file)
    inputs = read_asked(asked) if asked.exists() else {}
    notes = () if inputs else (f"{folder} does not say what was asked",)
    return Side(str(folder), "simulate", inputs, figures, samples_of(folder), notes=notes)


def sound(figures: dict[str, float], file: Path) -> dict[str, float]:
    """The figures of a file. Raises InputError for one that is no number from 0."""
    for name, value in figures.items():
        if not 0.0 <= value < float("inf"):
            raise InputError(f"{value:g} is no number from 0", file=str(file), key=name, fix="write the folder again")
    return figures


def read_asked(path: Path) -> dict[str, Any]:
    """The inputs that `simulate` says of its question. Raises InputError."""
    raw = read_json(path)
    if not isinstance(raw.get("scenario"), dict):
        raise InputError("is no question", file=str(path), key="scenario", fix="simulate --out again")
    return flattened(build(Scenario, raw["scenario"], str(path)).tables()) | {"simcore": str(raw.get("simcore", ""))}


def samples_of(folder: Path) -> dict[str, NDArray[np.float64]]:
    """The latencies of `requests.parquet`; none where it is gone. Raises InputError."""
    import pyarrow
    import pyarrow.parquet

    path = folder / "requests.parquet"
    if not path.exists():
        return {}
    try:
        table = pyarrow.parquet.read_table(path, columns=list(LATENCIES))
        return finite({name: np.asarray(table[name].to_numpy(), float) for name in LATENCIES})
    except (OSError, KeyError, ValueError, pyarrow.ArrowException) as error:
        raise InputError(f"cannot be read: {str(error).splitlines()[0]}", file=str(path)) from None


def of_sweep(folder: Path) -> Side:
    """The best plan on target of a folder of `sweep --out`. Raises InputError where there is none."""
    import csv

    study = read_json(folder / "study.json")
    if not isinstance(study.get("scenario"), dict):
        raise InputError("is no finished sweep", file=str(folder / "study.json"), key="scenario")
    try:
        with (folder / "best.csv").open(encoding="utf-8", newline="") as stream:
            best = next(csv.DictReader(stream), None)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(folder / "best.csv")) from None
    if best is None:
        raise InputError("has no plan on target", file=str(folder / "best.csv"), fix="loosen its [slo]")
    cells = {key: number(text) for key, text in best.items() if key and text}
    plan = {f"best.{key}": cells[key] for key in CHOSEN if cells.get(key) not in (None, 1.0, 0.0)}
    inputs = flattened(build(Scenario, study["scenario"], str(folder / "study.json")).tables())
    return Side(str(folder), "sweep", inputs | plan, sound(numbers(named(cells)), folder / "best.csv"))


def number(text: str) -> float | str:
    """A cell: a number where it is one."""
    try:
        return float(text)
    except ValueError:
        return text


def flattened(raw: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Dotted keys; lists are values; nothing that changes no answer.

    >>> flattened({"plan": {"tp": 2}, "name": "a", "vary": {"plan.tp": [1, 2]}})
    {'plan.tp': 2, 'vary.plan.tp': [1, 2]}
    """
    found: dict[str, Any] = {}
    for key, value in raw.items():
        place = f"{path}{key}"
        if isinstance(value, Mapping):
            found |= flattened(value, f"{place}.")
        elif value is not None and place not in SILENT:
            found[place] = value
    return found


def numbers(flat: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an answer."""
    return {k: float(v) for k, v in flat.items() if isinstance(v, int | float) and not isinstance(v, bool)}


def finite(columns: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Latencies of the requests that have one."""
    return {name: columns[name][np.isfinite(columns[name])] for name in LATENCIES if name in columns}
