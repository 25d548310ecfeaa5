"""Files that are either whole or absent: everything is written beside its place and moved there when complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from reports.output import cannot_write
from reports.stopping import stoppable
from simcore.errors import InputError
from simcore.result import ResultTable


def write_text(path: Path, text: str) -> None:
    """Write a text file in one move."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a binary file in one move; links are followed. Raises InputError where it cannot be written."""
    with part_of(path) as part:
        part.write_bytes(data)


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to; it takes the place of `path` at the end and is gone after an error.

    Raises InputError where it cannot be written.
    """
    try:
        final = path.resolve()
        final.parent.mkdir(parents=True, exist_ok=True)
        part = final.with_name(f".{final.name}.simcore-part")
        with stoppable() as stop:
            try:
                yield part
                stop.hold()
                os.replace(part, final)
            finally:
                stop.hold()
                part.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None


def own_file(path: Path, head: bytes, inputs: Sequence[Path] = ()) -> None:
    """Check a file that the user names for an answer: `--out FILE` replaces one of its own kind only.

    A file that is there must begin as the new one does (`head`, its first 8 bytes) or be empty. Raises InputError for
    a folder, for another kind of file and for one of the command's own `inputs`.
    """
    if path.is_dir():
        raise InputError("is a folder, not a file", file=str(path), fix="give the path of a file")
    try:
        if not path.is_file():
            return
        if any(other.exists() and path.samefile(other) for other in inputs):
            raise InputError("is what the command reads", file=str(path), fix="give another --out")
        with path.open("rb") as stream:
            found = stream.read(8)
    except OSError as error:
        raise cannot_write(path, error) from None
    if found and found != head[: len(found)]:
        raise InputError("is there and is another kind of file", file=str(path), fix="give another --out, or move it")


def write_own(path: Path, data: bytes, inputs: Sequence[Path] = ()) -> None:
    """Write what the user asked to have in a file; devices and pipes are written to. Raises as `own_file`."""
    own_file(path, data[:8], inputs)
    if path.exists() and not path.is_file():
        try:
            path.write_bytes(data)
        except OSError as error:
            raise cannot_write(path, error) from None
    else:
        write_bytes(path, data)


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], inputs: Sequence[Path] = ()) -> None:
    """Write a CSV file that the user asked for; None is an empty cell. Raises as `own_file`."""
    import csv
    import io

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    write_own(path, text.getvalue().encode("utf-8"), inputs)


@contextmanager
def parquet_sink(path: Path) -> Iterator[Callable[[ResultTable], None]]:
    """A function that appends tables to one parquet file, in bounded memory; the file appears when all are in."""
    import pyarrow
    import pyarrow.parquet

    writer: list[pyarrow.parquet.ParquetWriter] = []

    def append(table: ResultTable) -> None:
        rows = pyarrow.table({name: _slim(column) for name, column in table.columns.items()})
        if not writer:
            writer.append(pyarrow.parquet.ParquetWriter(part, rows.schema, compression="zstd"))
        writer[0].write_table(rows)

    with part_of(path) as part:
        try:
            yield append
            if not writer:
                append(ResultTable({"reason": np.zeros(0, np.int8)}))
        finally:
            if writer:
                writer[0].close()


def _slim(column: np.ndarray) -> np.ndarray:
    """Seven digits are enough for a result; text stays text."""
    return column.astype(np.float32) if column.dtype == np.float64 else column


def read_tables(path: Path) -> Iterator[ResultTable]:
    """The row groups of a results file as tables: one per table that was written, with one system and format each."""
    import pyarrow.parquet

    if not path.is_file():
        raise InputError("no such file", file=str(path), fix="run `simcore sweep` with --out first")
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                batch = file.read_row_group(number)
                yield ResultTable({name: batch.column(name).to_numpy() for name in batch.schema.names})
    except (pyarrow.ArrowException, OSError) as error:
        what = f"is not a whole parquet file: {str(error).splitlines()[0]}"
        raise InputError(what, file=str(path), fix="run `simcore sweep` again") from None
