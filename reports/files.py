"""Files that are either whole or absent: everything is written beside its place and moved there when complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from simcore.result import ResultTable


def write_text(path: Path, text: str) -> None:
    """Write a text file in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".tmp")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


@contextmanager
def parquet_sink(path: Path) -> Iterator[Callable[[ResultTable], None]]:
    """A function that appends tables to one parquet file, in bounded memory; the file appears when all are in."""
    import pyarrow
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".tmp")
    writer: list[pyarrow.parquet.ParquetWriter] = []

    def append(table: ResultTable) -> None:
        rows = pyarrow.table({name: _slim(column) for name, column in table.columns.items()})
        if not writer:
            writer.append(pyarrow.parquet.ParquetWriter(part, rows.schema, compression="zstd"))
        writer[0].write_table(rows)

    try:
        yield append
    except BaseException:
        if writer:
            writer[0].close()
        part.unlink(missing_ok=True)
        raise
    if not writer:
        append(ResultTable({"reason": np.zeros(0, np.int8)}))
    writer[0].close()
    os.replace(part, path)


def _slim(column: np.ndarray) -> np.ndarray:
    """Seven digits are enough for a result; text stays text."""
    return column.astype(np.float32) if column.dtype == np.float64 else column


def read_tables(path: Path) -> Iterator[ResultTable]:
    """The row groups of a results file as tables: one per table that was written, with one system and format each."""
    import pyarrow.parquet

    from simcore.errors import InputError

    if not path.exists():
        raise InputError("no such file", file=str(path), fix="run `simcore sweep` with --out first")
    with pyarrow.parquet.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            batch = file.read_row_group(number)
            yield ResultTable({name: batch.column(name).to_numpy() for name in batch.schema.names})


def write_bytes(path: Path, data: bytes) -> None:
    """Write a binary file in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".tmp")
    part.write_bytes(data)
    os.replace(part, path)
