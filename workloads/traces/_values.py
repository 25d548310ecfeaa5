"""Cells to numbers: whole columns at once, and row by row only where something is wrong, to say where."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bad = dict[int, str]
"""row -> what is wrong with it"""
MOST = 2**31 - 1


def texts(column: Any) -> list[str]:
    """Every cell as stripped text, "" where there is none."""
    return ["" if cell is None else str(cell).strip() for cell in column.to_pylist()]


def numbers(column: Any) -> tuple[Floats, Bad]:
    """(values, NaN where blank; cells that are no numbers)."""
    import pyarrow
    import pyarrow.compute as pc

    try:
        if pyarrow.types.is_string(column.type):
            trimmed = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
        found: Floats = np.asarray(column.cast(pyarrow.float64()).to_numpy(zero_copy_only=False), float)
        return found, {}
    except (pyarrow.ArrowException, NotImplementedError):
        return _one_by_one(texts(column))


def _one_by_one(cells: list[str]) -> tuple[Floats, Bad]:
    found, bad = np.full(len(cells), np.nan), {}
    for row, cell in enumerate(cells):
        try:
            found[row] = float(cell) if cell else np.nan
        except ValueError:
            bad[row] = f"{cell[:40]!r} is no number"
    return found, bad


def whole(column: Any, name: str, least: int = -MOST, most: int = MOST) -> tuple[Ints, Bad]:
    """(whole numbers, 0 where wrong; cells that are blank, broken, or outside `least` to `most`)."""
    values, bad = numbers(column)
    finite = np.isfinite(values)
    rounded = np.where(finite, np.rint(np.where(finite, values, 0.0)), 0.0)
    checks = (
        (np.isnan(values), "is blank"),
        (np.isinf(values), "is no finite number"),
        (finite & (rounded != values), "is not a whole number"),
        (finite & (values < least), f"is not at least {least}"),
        (finite & (values > most), "is too large"),
    )
    for wrong, what in checks:
        for row in np.flatnonzero(wrong):
            cell = "" if np.isnan(values[row]) else f" {values[row]:.12g}"
            bad.setdefault(int(row), f"{name}{cell} {what}")
    return np.where(np.abs(rounded) <= MOST, rounded, 0.0).astype(np.int64), bad


def dated(column: Any) -> Floats | None:
    """Seconds since the earliest of a column of dates with times, all of one kind; None for anything else."""
    import pyarrow
    import pyarrow.compute as pc

    if not len(column) or column.null_count:
        return None
    kinds = [pyarrow.timestamp("ns")]
    if pyarrow.types.is_string(column.type):
        kinds.append(pyarrow.timestamp("ns", "UTC"))
        column = pc.utf8_trim_whitespace(column)
        if "-" not in column[0].as_py()[1:]:
            return None
    elif not pyarrow.types.is_timestamp(column.type):
        return None
    for kind in kinds:
        try:
            return _since(np.asarray(column.cast(kind).cast(pyarrow.int64())))
        except pyarrow.ArrowException:
            continue
    return None


def _since(nanoseconds: Ints) -> Floats:
    seconds: Floats = (nanoseconds - nanoseconds.min()) / 1e9
    return seconds


def moments(column: Any) -> tuple[Floats, Bad] | None:
    """(seconds since the earliest, cells that are no dates), date by date; None where no cell is one."""
    cells = texts(column)
    found, bad = np.zeros(len(cells), np.int64), {}
    for row, cell in enumerate(cells):
        moment = _moment(cell)
        if moment is None:
            bad[row] = f"{cell[:40]!r} is no time"
        else:
            found[row] = moment
    good = np.setdiff1d(np.arange(len(cells)), list(bad))
    if not len(good):
        return None
    found[list(bad)] = found[good[0]]
    return _since(found), bad


def _moment(cell: str) -> int | None:
    """Nanoseconds since 1970 of an ISO time, with any number of digits behind the second; None if it is none."""
    from datetime import UTC, datetime

    head, _, tail = cell.partition(".")
    digits = tail[: next((at for at, c in enumerate(tail) if not c.isdigit()), len(tail))]
    try:
        moment = datetime.fromisoformat(head + (tail[len(digits) :] if tail else ""))
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9 + int((digits + "0" * 9)[:9])


def codes(column: Any, name: str) -> tuple[Ints, Bad]:
    """Whole numbers as they are, anything else numbered in order of appearance; a blank cell is wrong."""
    values, bad = whole(column, name, 0)
    if not bad:
        return values, {}
    cells = texts(column)
    known = {cell: at for at, cell in enumerate(dict.fromkeys(cells))}
    blank = {row: f"{name} is blank" for row, cell in enumerate(cells) if not cell}
    return np.array([known[cell] for cell in cells], np.int64), blank


def lists(column: Any) -> tuple[Ints, Ints]:
    """(hashes of all rows one after another, where each row starts `[rows + 1]`); names are numbered."""
    import pyarrow

    if pyarrow.types.is_list(column.type) or pyarrow.types.is_large_list(column.type):
        counts = np.asarray(column.value_lengths().fill_null(0), np.int64)
        flat = column.flatten()
        if pyarrow.types.is_integer(flat.type) and not flat.null_count:
            return np.asarray(flat.cast(pyarrow.int64())), _starts(counts)
        split = [[str(item) for item in cell or []] for cell in column.to_pylist()]
    else:
        split = [cell.strip("[]").replace(",", " ").replace(";", " ").split() for cell in texts(column)]
    starts = _starts(np.array([len(cell) for cell in split], np.int64))
    try:
        return np.fromiter(map(int, chain.from_iterable(split)), np.int64), starts
    except (ValueError, OverflowError):
        known: dict[str, int] = {}
        return np.array([known.setdefault(item, len(known)) for cell in split for item in cell], np.int64), starts


def _starts(counts: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
