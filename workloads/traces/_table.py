"""A file as columns: CSV, JSON lines, JSON and parquet, read with pyarrow; what cannot be split is told by its line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError

MEND = "mend it, or use --skip-bad"


@dataclass(frozen=True)
class Table:
    """Columns of one length, and where their rows stand."""

    file: Path
    columns: dict[str, Any]
    """name -> pyarrow array `[rows]`: text of a CSV, typed values else"""
    lines: NDArray[np.int64]
    """`[rows]`: line (or number) of each row in the file"""
    skipped: int = 0
    """rows that could not be split, left out on request"""

    def __len__(self) -> int:
        return len(self.lines)


def read_table(path: str | Path, skip_bad: bool) -> Table:
    """The columns of a file, by its first character (ending, for parquet). Raises InputError."""
    file = Path(path)
    if not file.is_file():
        raise InputError("no such trace file", file=str(file))
    if file.suffix == ".parquet":
        return _parquet(file)
    data = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    data, broken = _as_text(data, file, skip_bad)
    if not data.strip():
        raise InputError("holds no request", file=str(file))
    found = _json(data, file, skip_bad) if data.lstrip()[:1] in (b"{", b"[") else _csv(data, file, skip_bad)
    return replace(found, skipped=found.skipped + broken)


def _as_text(data: bytes, file: Path, skip_bad: bool) -> tuple[bytes, int]:
    """(the lines that are UTF-8 text, how many are not and were left out empty). Raises InputError."""
    try:
        data.decode("utf-8")
        return data, 0
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        if not skip_bad or line == 1:
            fix = f"save the file as UTF-8; {MEND}"
            raise InputError("is not UTF-8 text", file=f"{file}:{line}", fix=fix) from None
    lines = data.split(b"\n")
    good = [_is_text(one) for one in lines]
    return b"\n".join(one if fine else b"" for one, fine in zip(lines, good, strict=True)), good.count(False)


def _is_text(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _parquet(file: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        found = pyarrow.parquet.read_table(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"is no parquet file: {_first(error)}", file=str(file)) from None
    return Table(file, _columns(found), np.arange(1, found.num_rows + 1))


def _csv(data: bytes, file: Path, skip_bad: bool) -> Table:
    import pyarrow
    from pyarrow import csv

    header = data.split(b"\n", 1)[0].decode("utf-8").rstrip("\r")
    delimiter = next((d for d in (",", ";", "\t", "|") if d in header), ",")
    bad: list[tuple[int, str]] = []

    def refuse(row: Any) -> str:
        if row.text.strip():
            what = f"has {row.actual_columns} fields, the header {row.expected_columns}"
        else:
            what = ""
        bad.append((row.number, what))
        return "skip"

    body = data.split(b"\n", 1)
    names = [name.strip().strip('"').strip() for name in header.split(delimiter)]
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise InputError(f"two columns are called {twice!r}", file=f"{file}:1", fix="rename one")
    if len(body) < 2 or not body[1].strip():
        return Table(file, {name: pyarrow.array([], pyarrow.string()) for name in names}, np.zeros(0, np.int64))
    try:
        found = csv.read_csv(
            io.BytesIO(data),
            csv.ReadOptions(use_threads=False, block_size=max(len(data) + 1, 1024), column_names=names, skip_rows=1),
            csv.ParseOptions(delimiter=delimiter, invalid_row_handler=refuse, ignore_empty_lines=False),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string()), strings_can_be_null=False),
        )
    except pyarrow.ArrowInvalid as error:
        raise InputError(f"cannot be read as CSV: {_first(error)}", file=str(file)) from None
    lines = np.delete(np.arange(2, found.num_rows + len(bad) + 2), [number - 2 for number, _ in bad])
    table = _without_blanks(Table(file, _columns(found), lines))
    wrong = [(number, what) for number, what in bad if what]
    return _told(table, wrong, skip_bad)


def _without_blanks(table: Table) -> Table:
    """Empty lines look like rows of empty cells."""
    import pyarrow
    import pyarrow.compute as pc

    first = next(iter(table.columns.values()))
    blank = np.asarray(pc.equal(pc.utf8_trim_whitespace(first), ""), bool)
    for row in np.flatnonzero(blank):
        blank[row] = not any(column[int(row)].as_py().strip() for column in table.columns.values())
    if not blank.any():
        return table
    keep = pyarrow.array(~blank)  # pyarrow 14 filters by arrays of its own
    columns = {name: column.filter(keep) for name, column in table.columns.items()}
    return Table(table.file, columns, table.lines[~blank])


def _told(table: Table, wrong: list[tuple[int, str]], skip_bad: bool) -> Table:
    if wrong and not skip_bad:
        number, what = wrong[0]
        raise InputError(what, file=f"{table.file}:{number}", fix=MEND)
    return Table(table.file, table.columns, table.lines, len(wrong))


def _json(data: bytes, file: Path, skip_bad: bool) -> Table:
    """Objects one per line, one list of them, or one object of equally long lists."""
    import pyarrow
    import pyarrow.json

    if data.lstrip()[:1] == b"{" and b"\n{" in data:
        try:
            size = max(len(data) + 1, 1024)
            found = pyarrow.json.read_json(
                io.BytesIO(data), pyarrow.json.ReadOptions(use_threads=False, block_size=size)
            )
            lines = data.split(b"\n")
            filled = np.array([at for at, line in enumerate(lines, start=1) if line.strip()])
            if len(filled) == found.num_rows:
                return Table(file, _columns(found), filled)
        except pyarrow.ArrowInvalid:
            pass
    rows, numbers, wrong = _objects(data, file)
    return _told(Table(file, _joined(rows), np.array(numbers, np.int64)), wrong, skip_bad)


def _objects(data: bytes, file: Path) -> tuple[list[dict[str, Any]], list[int], list[tuple[int, str]]]:
    """(objects, their lines or numbers, what is none) of JSON that pyarrow did not take as it is."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, or numbers of thousands of digits
        whole = None
    if isinstance(whole, dict):
        return _of_lists(whole, file)
    if whole is not None and not isinstance(whole, list):
        raise InputError("is no list of requests", file=str(file))
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    wrong: list[tuple[int, str]] = []
    texts: Iterable[Any] = whole if whole is not None else data.decode("utf-8").split("\n")
    for number, text in enumerate(texts, start=1):
        try:
            found = text if whole is not None else json.loads(text) if text.strip() else None
            if found is not None and not isinstance(found, dict):
                raise ValueError("is no JSON object")
        except (ValueError, RecursionError) as error:
            wrong.append((number, str(error) if "JSON object" in str(error) else f"not valid JSON: {error}"))
            continue
        if found is not None:
            rows.append(found)
            numbers.append(number)
    return rows, numbers, wrong


def _of_lists(whole: dict[str, Any], file: Path) -> tuple[list[dict[str, Any]], list[int], list[tuple[int, str]]]:
    """One object whose lists are columns, or whose one list of objects are the requests."""
    tables = [v for v in whole.values() if isinstance(v, list) and v and all(isinstance(item, dict) for item in v)]
    if len(tables) == 1 and "input_lens" not in whole:
        return tables[0], list(range(1, len(tables[0]) + 1)), []
    lists = {k: v for k, v in whole.items() if isinstance(v, list)}
    longest = max(map(len, lists.values()), default=0)
    columns = {k: v for k, v in lists.items() if len(v) == longest}
    if not longest or len(lists) == 1:
        if not {"backend", "num_prompts"} & set(whole):
            return [whole], [1], []
        what = "holds no list of requests"
        if {"backend", "num_prompts"} & set(whole):
            what = "is a benchmark result without the lengths of its requests (input_lens, output_lens), not a trace"
        raise InputError(what, file=str(file), fix="give a trace, or save the detailed result")
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return rows, list(range(1, longest + 1)), []


def _joined(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns of objects; a column of mixed kinds becomes text."""
    import pyarrow

    rows = [_flat(row) if any(isinstance(cell, dict) for cell in row.values()) else row for row in rows]
    columns: dict[str, Any] = {}
    for name in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pyarrow.array(values)
        except (pyarrow.ArrowException, TypeError, OverflowError):
            columns[name] = pyarrow.array([None if v is None else str(v) for v in values], pyarrow.string())
    return columns


def _flat(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"usage": {"prompt_tokens": 5}}` as `{"usage.prompt_tokens": 5}`."""
    found: dict[str, Any] = {}
    for name, cell in row.items():
        found |= _flat(cell, f"{prefix}{name}.") if isinstance(cell, dict) else {prefix + name: cell}
    return found


def _columns(table: Any) -> dict[str, Any]:
    import pyarrow

    while any(pyarrow.types.is_struct(f.type) for f in table.schema):
        table = table.flatten()
    return {name: table.column(name).combine_chunks() for name in table.column_names}


def _first(error: Exception) -> str:
    return str(error).split("\n")[0]
