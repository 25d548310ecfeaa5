"""What trace readers share: lines with numbers, typed cells, complaints with file and line."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from simcore.errors import InputError
from simcore.spec.traffic import Trace

Row = dict[str, Any]


def existing(path: str | Path) -> Path:
    """The path, if it is a file."""
    file = Path(path)
    if not file.is_file():
        raise InputError("no such trace file", file=str(file))
    return file


def guess(file: Path) -> str:
    """The format, from the first line."""
    with file.open(encoding="utf-8", errors="replace") as stream:
        first = stream.readline()
    marks = {
        "TIMESTAMP": "azure",
        "hash_ids": "mooncake",
        "Request tokens": "burstgpt",
        "arrival_s": "native",
        "input_tokens": "lengths",
    }
    for mark, form in marks.items():
        if mark in first:
            return form
    raise InputError("unknown trace format", file=str(file), fix="name one: azure, mooncake, burstgpt, native, lengths")


@dataclass
class Rows:
    """Collects parsed rows of one file; `skip_bad` counts what cannot be parsed instead of refusing it."""

    file: Path
    skip_bad: bool
    rows: list[Row] = field(default_factory=list)
    skipped: int = 0

    def parse(self, lines: Iterator[tuple[int, Any]], parse: Callable[[Any], Row]) -> None:
        """Parse every (line number, content)."""
        for number, content in lines:
            try:
                self.rows.append(checked(parse(content)))
            except (KeyError, TypeError, ValueError) as error:
                if not self.skip_bad:
                    what = f"no column {error}" if isinstance(error, KeyError) else str(error)
                    raise InputError(what, file=f"{self.file}:{number}", fix="mend it, or use --skip-bad") from None
                self.skipped += 1

    def trace(self, **more: Any) -> Trace:
        """The rows as a trace, arrivals counted from the first one and sorted."""
        if not self.rows:
            raise InputError("holds no request", file=str(self.file))
        arrival_s = np.array([row["arrival_s"] for row in self.rows], dtype=float)
        order = np.argsort(arrival_s, kind="stable")
        self.rows = [self.rows[i] for i in order]
        for name in ("session", "turn", "priority"):
            if name in self.rows[0]:
                more[name] = np.array([row[name] for row in self.rows], dtype=np.int64)
        if any("pause_s" in row for row in self.rows):
            more["pause_s"] = np.array([row.get("pause_s", 0.0) for row in self.rows])
        return Trace(
            arrival_s[order] - arrival_s.min(),
            np.array([row["input_tokens"] for row in self.rows], dtype=np.int64),
            np.array([row["output_tokens"] for row in self.rows], dtype=np.int64),
            skipped=self.skipped,
            source=str(self.file),
            **hashes(self.rows),
            **more,
        )


def checked(row: Row) -> Row:
    """Lengths are at least one token, the arrival is a finite time."""
    for name in ("input_tokens", "output_tokens"):
        if row[name] < 1:
            raise ValueError(f"{name} is {row[name]}, not at least 1")
    if not np.isfinite(row["arrival_s"]):
        raise ValueError("the arrival is not a finite time")
    return row


def whole(text: Any) -> int:
    """A token count: a whole number, also when written "12.0"."""
    value = float(text)
    if value != int(value):
        raise ValueError(f"{text!r} is not a whole number")
    return int(value)


def hashes(rows: list[Row]) -> dict[str, Any]:
    """Prefix hashes of rows that have them, as the flat arrays of a trace."""
    if not any("hashes" in row for row in rows):
        return {}
    lists = [row.get("hashes", []) for row in rows]
    flat = np.array([value for values in lists for value in values], dtype=np.int64)
    start = np.concatenate([[0], np.cumsum([len(values) for values in lists])]).astype(np.int64)
    return {"prefix_hashes": flat, "prefix_start": start}


def csv_lines(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row by column name) of a CSV file with a header."""
    with file.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        for row in reader:
            yield reader.line_num, {str(k).strip(): v for k, v in row.items() if k is not None}
