"""What trace readers share: lines with numbers, typed cells, complaints with file and line."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from simcore.errors import InputError
from simcore.spec.traffic import MOST_TOKENS, Trace

Row = dict[str, Any]
EVERY = frozenset(("session", "turn", "priority"))
"""columns that every request of a trace has, or none"""


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
        kept: frozenset[str] | None = None
        for number, content in lines:
            try:
                if isinstance(content, Exception):
                    raise content
                row = checked(parse(content))
                if kept is None:
                    kept = EVERY & set(row)
                if missing := kept - set(row):
                    raise ValueError(f"has no {min(missing)}, which the first request has")
                self.rows.append(row)
            except (KeyError, TypeError, ValueError, OverflowError, RecursionError, AttributeError) as error:
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
    """Lengths are 1 to 2^31 - 1 tokens together, times are finite, whole numbers fit 64 bits."""
    for name in ("input_tokens", "output_tokens"):
        if row[name] < 1:
            raise ValueError(f"{name} is {row[name]}, not at least 1")
    if row["input_tokens"] + row["output_tokens"] > MOST_TOKENS:
        raise ValueError(f"{row['input_tokens']} and {row['output_tokens']} tokens are more than {MOST_TOKENS}")
    if not np.isfinite(row["arrival_s"]):
        raise ValueError("the arrival is not a finite time")
    pause_s = row.get("pause_s", 0.0)
    if not (np.isfinite(pause_s) and pause_s >= 0):
        raise ValueError(f"the pause {pause_s} is no time")
    for name in ("session", "turn", "priority", "prefix_block_tokens"):
        if not -MOST_TOKENS <= row.get(name, 0) <= MOST_TOKENS:
            raise ValueError(f"{name} is {row[name]}, which is too large")
    if not all(-(2**63) <= value < 2**63 for value in row.get("hashes", ())):
        raise ValueError("a prefix hash does not fit 64 bits")
    return row


def whole(text: Any) -> int:
    """A token count: a whole number, also when written "12.0"."""
    value = float(text)
    if not np.isfinite(value) or value != int(value):
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


def csv_lines(file: Path) -> Iterator[tuple[int, dict[str, str] | ValueError]]:
    """(line number, row by column name) of a CSV file with a header; an error for a line that is not UTF-8."""
    with file.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as stream:
        reader = csv.DictReader(stream)
        try:
            for row in reader:
                found = {str(k).strip(): v for k, v in row.items() if k is not None}
                yield (
                    reader.line_num,
                    found if is_text("".join(map(str, found.values()))) else ValueError("is not UTF-8"),
                )
        except csv.Error as error:
            raise InputError(str(error), file=f"{file}:{reader.line_num}") from None


def is_text(line: str) -> bool:
    """False where a line read with `surrogateescape` was not UTF-8."""
    return not any("\udc80" <= c <= "\udcff" for c in line)
