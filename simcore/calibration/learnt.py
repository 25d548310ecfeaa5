"""A predictor from any table: a power law of its inputs, and trees on what it leaves, with its error on rows left out.

    y = exp(a + sum b_i log(1 + x_i)) x exp(sum of tree leaves)

for runtimes and powers by tile sizes, for a processor's times by its counters: whatever has numbers in columns and no
law of `simcore.cost.laws`. What it is worth is told on a fifth of the distinct inputs that took no part, or on each
group (a device, a program) predicted by the others; beside the law alone and the median. Nothing holds it outside the
box that was measured: there it says so, and keeps the law with the trees' last leaves.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simcore.calibration.forest import words
from simcore.calibration.residual import Manner, grow
from simcore.calibration.split import held_out
from simcore.calibration.tables import as_numbers
from simcore.cost.trees import unpack
from simcore.errors import InputError, suggest
from simcore.spec.load import read_arrays
from simcore.unit_text import found_text

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
MOST_INPUTS, LEAST_ROWS = 12, 20
MOST_ROWS, MOST_WORDS = 10_000, 600
"""that learn (of more a sample, the same each time), and that the trees take: seconds, not a calibration's minutes"""
RIDGE = 1e-3
ROWS_PER_NUMBER, LEAVES = 10, 24
WAYS = ("median", "law", "law and trees")


@dataclass(frozen=True)
class Learnt:
    """A predictor: columns by name in, numbers out."""

    target: str
    inputs: tuple[str, ...]
    powers: Floats
    """a, then one for each input"""
    words: NDArray[np.uint32]
    low: Floats
    high: Floats
    """of each input, what was seen"""

    def __call__(self, columns: Mapping[str, Any]) -> Floats:
        """[rows] of the target. Raises InputError for a missing column."""
        return np.exp(log_of(self._logs(columns), self.powers, self.words))

    def outside(self, columns: Mapping[str, Any]) -> NDArray[np.bool_]:
        """[rows] whether an input lies outside what was seen."""
        logs = self._logs(columns)
        return np.asarray(((logs < self.low - 1e-9) | (logs > self.high + 1e-9)).any(axis=1))

    def _logs(self, columns: Mapping[str, Any]) -> Floats:
        for name in self.inputs:
            if name not in columns:
                raise InputError("is missing", key=name, fix=suggest(name, [str(c) for c in columns]))
        return logs_of(np.stack([numbers_of(columns[name], name) for name in self.inputs], axis=1))


def numbers_of(column: Any, name: str) -> Floats:
    """A column as numbers. Raises InputError where a cell is none."""
    try:
        return np.asarray(column, np.float64)
    except (ValueError, TypeError):
        raise InputError("holds what is no number", key=name, fix="mend the cell or leave its row out") from None


def bytes_of(found: Learnt) -> bytes:
    """A predictor as the bytes of a file."""
    about = {"target": found.target, "inputs": list(found.inputs)}
    arrays: dict[str, Any] = {"powers": found.powers, "words": found.words, "low": found.low, "high": found.high}
    file = io.BytesIO()
    np.savez_compressed(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
    return file.getvalue()


def chosen_rows(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Rows of a table with `COLUMN=VALUE`, several by commas. Raises InputError."""
    for part in where.split(",") if where else ():
        name, equals, value = part.partition("=")
        if not equals or name not in frame.columns:
            raise InputError(f"{part!r} is no COLUMN=VALUE", key="--where", fix=suggest(name, map(str, frame.columns)))
        frame = frame[frame[name].astype(str) == value]
    return frame


def load(path: Path) -> Learnt:
    """A saved predictor. Raises InputError for a file that is none."""
    found = read_arrays(path)
    try:
        about = json.loads(found["about"].tobytes().decode())
        arrays = [found[name] for name in ("powers", "words", "low", "high")]
        unpack(arrays[1])
        return Learnt(str(about["target"]), tuple(about["inputs"]), *arrays)
    except (ValueError, KeyError, TypeError, RecursionError, InputError) as error:
        raise InputError("is no predictor", file=str(path), fix="write one with simcore learn") from error


@dataclass(frozen=True)
class Told:
    """What a predictor is worth on rows that took no part, |predicted / measured - 1|."""

    way: str
    rows: int
    median: float
    mean: float
    p90: float


def logs_of(values: Floats) -> Floats:
    """log(1 + x): counters may be 0."""
    return np.log1p(values)


def features(logs: Floats) -> NDArray[np.float32]:
    """The logs, and of few inputs their sums by two: trees see products."""
    count = logs.shape[1]
    pairs = [logs[:, i] + logs[:, j] for i in range(count) for j in range(i)] if count <= 6 else []
    return np.column_stack([logs, *pairs]).astype(np.float32)


def log_of(logs: Floats, powers: Floats, trees: NDArray[np.uint32]) -> Floats:
    """Log of the target, [rows]."""
    law = powers[0] + logs @ powers[1:]
    return np.asarray(law + unpack(trees)(features(logs)) if len(trees) else law)


def fit(logs: Floats, target: Floats, way: str) -> tuple[Floats, NDArray[np.uint32]]:
    """(powers, trees) of rows [rows, inputs] and log targets."""
    none: NDArray[np.uint32] = np.empty(0, np.uint32)
    powers: Floats = np.zeros(logs.shape[1] + 1)
    powers[0] = np.median(target)
    if way == "median":
        return powers, none
    table = np.column_stack([np.ones(len(logs)), logs])
    powers = np.asarray(np.linalg.solve(table.T @ table + RIDGE * np.eye(table.shape[1]), table.T @ target))
    if way == "law":
        return powers, none
    budget = min(len(logs) // ROWS_PER_NUMBER, MOST_WORDS)
    leaves = int(min(LEAVES, budget // 4))
    if leaves < 4:
        return powers, none
    return powers, words(grow(features(logs), target - table @ powers, budget, Manner(leaves, 1.0)))


def train(frame: pd.DataFrame, target: str, inputs: Sequence[str], groups: str = "") -> tuple[Learnt, list[Told]]:
    """(the predictor of all rows, what each way is worth on rows left out, the best first).

    Raises InputError for columns that are not there or hold what is no positive number, and for too few rows.
    """
    table, goal, labels = _columns(frame, target, inputs, groups)
    logs, aside = logs_of(table), _folds(table, inputs, labels)
    told = sorted((_told(way, logs, np.log(goal), aside) for way in WAYS), key=lambda one: (one.median, one.mean))
    powers, trees = fit(logs, np.log(goal), told[0].way)
    return Learnt(target, tuple(inputs), powers, trees, logs.min(axis=0), logs.max(axis=0)), told


def _columns(frame: pd.DataFrame, target: str, inputs: Sequence[str], groups: str) -> tuple[Floats, Floats, Any]:
    names = [str(name) for name in frame.columns]
    for name in (target, *inputs, *([groups] if groups else [])):
        if name not in names:
            raise InputError("no such column", key=name, fix=suggest(name, names))
    if not 1 <= len(inputs) <= MOST_INPUTS or target in inputs:
        raise InputError(
            f"{len(inputs)} inputs", key="inputs", fix=f"name 1 to {MOST_INPUTS}, the target not among them"
        )
    kept = frame.dropna(subset=[target, *inputs, *([groups] if groups else [])])
    if len(kept) > MOST_ROWS:
        kept = kept.sample(MOST_ROWS, random_state=0)
    if len(kept) < LEAST_ROWS:
        raise InputError(
            f"{len(kept)} whole rows", key=target, fix=f"give at least {LEAST_ROWS} with a number in every column"
        )
    for name in (target, *inputs):
        found = as_numbers(kept, name, None)
        if found.isna().any():
            row = kept.index[int(found.isna().to_numpy().argmax())]
            what = f"row {row}: {found_text(kept[name][row])} is no number"
            raise InputError(what, key=name, fix="mend it, or name a column of numbers")
    table, goal = kept[list(inputs)].to_numpy(np.float64), kept[target].to_numpy(np.float64)
    if not (np.isfinite(table).all() and (table >= 0).all() and np.isfinite(goal).all() and (goal > 0).all()):
        raise InputError("holds what is no number of 0 or more", key=target, fix="mend the rows or leave them out")
    return table, goal, kept[groups].astype(str).to_numpy() if groups else None


def _folds(table: Floats, inputs: Sequence[str], labels: Any) -> list[NDArray[np.bool_]]:
    """Rows left out, one after the other: each group, or once the fifth of distinct inputs."""
    if labels is None:
        return [held_out({name: table[:, at] for at, name in enumerate(inputs)})]
    names = sorted(set(labels))
    if len(names) < 2:
        raise InputError("holds one group", key="groups", fix="leave --groups out")
    return [labels == name for name in names]


def _told(way: str, logs: Floats, target: Floats, folds: list[NDArray[np.bool_]]) -> Told:
    wrong = []
    for aside in folds:
        if aside.all() or not aside.any():
            continue
        guess = log_of(logs[aside], *fit(logs[~aside], target[~aside], way))
        wrong.append(np.abs(np.expm1(guess - target[aside])))
    if not wrong:
        raise InputError("leaves no rows to tell on", key="inputs", fix="give more distinct inputs")
    every = np.concatenate(wrong)
    return Told(way, len(every), float(np.median(every)), float(every.mean()), float(np.quantile(every, 0.9)))
