"""What importers share: one callable per format, `path -> {operation: table}` in the layout that `calibrate` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.errors import InputError, suggest

if TYPE_CHECKING:
    import pandas as pd

Tables = dict[str, "pd.DataFrame"]
Importer = Callable[[Path], Tables]


def read(path: Path) -> pd.DataFrame:
    """A table as `read_table`; raises InputError where there is none."""
    from simcore.calibration.tables import read_table

    if not path.exists():
        raise InputError("does not exist", file=str(path), fix="give the path of the profile")
    return read_table(str(path))


def require(frame: pd.DataFrame, columns: Iterable[str], path: Path) -> None:
    """Raise InputError for the first column that is missing, not numeric where it must be, or empty."""
    for name in columns:
        if name not in frame:
            raise InputError(f"has no column {name!r}", file=str(path), fix=suggest(name, map(str, frame.columns)))
        if frame[name].isna().all():
            raise InputError("the column is empty", file=str(path), key=name, fix="fill it or drop the file")


def positive(frame: pd.DataFrame, columns: Iterable[str], path: Path) -> None:
    """Raise InputError for a column that is no number, somewhere negative or infinite, or nowhere positive."""
    from simcore.calibration.tables import as_numbers

    for name in columns:
        values = as_numbers(frame, name, str(path))
        if values.isna().any():
            bad = frame[name][values.isna()].iloc[0]
            raise InputError(f"{bad!r} is not a number", file=str(path), key=name)
        refuse_rows(values.abs() == float("inf"), frame[name], path, name)
        refuse_rows(values < 0, frame[name], path, name)
        if not (values > 0).any():
            raise InputError("no value is positive", file=str(path), key=name)


def refuse_rows(bad: Any, column: Any, path: Path, name: str, what: str = "is not above zero") -> None:
    """Raise InputError for the first row where `bad`; the line counts the header, where the file has lines."""
    if bad.any():
        at = int(bad.to_numpy().argmax())
        where = f"{path}:{at + 2}" if path.suffix == ".csv" else f"{path}, row {at}"
        found = column.iloc[at]
        shown = found.item() if hasattr(found, "item") else found
        raise InputError(f"{shown!r} {what}", file=where, key=name, fix="mend it or leave the row out")


def numbers(frame: pd.DataFrame, columns: Iterable[str], above: Iterable[str], path: Path) -> None:
    """Raise InputError for the first row where one of `columns` is no finite number from 0, or one of `above` is 0."""
    from simcore.calibration.tables import as_numbers

    for name in (*columns, *above):
        values = as_numbers(frame, name, str(path))
        bad = values.isna() | (values.abs() == float("inf")) | (values < 0)
        refuse_rows(bad, frame[name], path, name, "is not a number from 0")
        if name in above:
            refuse_rows(values == 0, frame[name], path, name)


def labelled(frame: pd.DataFrame, constants: Mapping[str, object]) -> pd.DataFrame:
    """The table with constant columns (stack, version, kernel, dtypes) added where it lacks them."""
    return frame.assign(**{name: value for name, value in constants.items() if name not in frame})


def write_tables(tables: Tables, out: Path) -> Path:
    """One parquet file per operation under `out`; returns `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for operation, table in tables.items():
        table.to_parquet(out / f"{operation}.parquet", index=False)
    return out
