"""Answers on disk: append-only parquet shards, each written whole, keyed by what was asked. No server, no locks.

A shard is written beside its place, synchronised and renamed, under a name that no other writer can choose; so shared
file systems and many writers are safe, and a killed process leaves whole shards only. Rows are keyed by the SHA-256 of
evaluator fingerprint, point, level and seed; equal keys have equal answers, so duplicates are dropped on reading.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.search.problem import Outputs
from planners.search.space import Array, Point
from simcore.errors import InputError

SHARD = re.compile(r"[0-9a-f]{16}-[0-9a-f]{32}\.parquet")
"""names of shards; any other file in a store's folder is not ours"""
ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
FLUSH_S = 0.5
"""answers younger than this may be lost by kill -9; a chunk that took longer is written at once"""


def point_text(point: Point) -> str:
    """Canonical JSON of a point: equal points have equal texts."""
    return ENCODER.encode(point)


def key_of(prefix: bytes, text: str, level: int, seed: int) -> str:
    """Key of one evaluation; `prefix` is the digest of the evaluator's fingerprint."""
    return hashlib.sha256(b"%s|%s|%d|%d" % (prefix, text.encode(), level, seed)).hexdigest()[:32]


@dataclass(frozen=True)
class Record:
    """Evaluations to keep, in columns."""

    keys: Sequence[str]
    texts: Sequence[str]
    levels: Sequence[int]
    seeds: Sequence[int]
    outputs: Outputs

    def __len__(self) -> int:
        return len(self.keys)


@dataclass
class Store:
    """The answers of one evaluator in a folder that may hold those of many. Not for use by two threads.

    `names` are the outputs kept, `violation` among them.
    """

    folder: Path
    fingerprint: str
    names: tuple[str, ...]
    _values: Array = field(init=False, repr=False)
    _count: int = field(default=0, init=False)
    _rows: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    _read: set[str] = field(default_factory=set, init=False, repr=False)
    _own: list[Path] = field(default_factory=list, init=False, repr=False)
    """shards that this store wrote; they become one when it is closed"""
    _waiting: list[Record] = field(default_factory=list, init=False, repr=False)
    _flushed_s: float = field(default_factory=time.monotonic, init=False, repr=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        clear_parts(self.folder)
        self._values = np.empty((1024, len(self.names)))
        self.refresh()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def prefix(self) -> str:
        return hashlib.sha256(self.fingerprint.encode()).hexdigest()[:16]

    def refresh(self) -> int:
        """Read the shards that appeared since the last look; returns how many answers were new."""
        before = len(self._rows)
        for path in sorted(self.folder.glob(f"{self.prefix}-*.parquet")):
            if path.name not in self._read:
                self._load(path)
        return len(self._rows) - before

    def find(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """Row of each key, -1 where unknown."""
        return np.array([self._rows.get(key, -1) for key in keys], np.int64)

    def outputs(self, rows: NDArray[np.int64]) -> dict[str, Array]:
        """Outputs of rows, [rows] each."""
        block = self._values[rows]
        return {name: block[:, i] for i, name in enumerate(self.names)}

    def append(self, record: Record, flush: bool = False) -> None:
        """Keep answers; they reach the disk within FLUSH_S, or now."""
        self._take(record.keys, record.outputs)
        self._waiting.append(record)
        if flush or time.monotonic() - self._flushed_s >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting as one shard."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            try:
                name = f"{self.prefix}-{uuid.uuid4().hex}.parquet"
                _write(self.folder / name, waiting, self.names, self.fingerprint)
            except BaseException:
                self._waiting = waiting + self._waiting
                raise
            self._read.add(name)
            self._own.append(self.folder / name)
        self._flushed_s = time.monotonic()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        self._join()

    def _join(self) -> None:
        """One shard in place of those that this store wrote; it is in place before they go."""
        own = [path for path in self._own if path.is_file()]
        if len(own) > 1:
            name = _joined(own, self.prefix)
            self._read.add(name)
            self._own = [self.folder / name]

    def _load(self, path: Path) -> None:
        import pyarrow.parquet

        try:
            table = pyarrow.parquet.read_table(path, columns=["key", *self.names])
        except FileNotFoundError:  # merged away by another process: its rows are in the shard that replaced it
            return
        except (pyarrow.ArrowException, OSError) as error:
            told = getattr(error, "strerror", None)
            what = f"cannot be read: {told}" if told else "is not a shard"
            raise InputError(what, file=str(path), fix="delete the file") from error
        outputs = {name: table.column(name).to_numpy() for name in self.names}
        self._take(table.column("key").to_pylist(), outputs)
        self._read.add(path.name)

    def _take(self, keys: Sequence[str], outputs: Outputs) -> None:
        new = [i for i, key in enumerate(keys) if key not in self._rows]
        if len(new) < len(keys):
            keys = [keys[i] for i in new]
        while self._count + len(keys) > len(self._values):
            self._values = np.concatenate([self._values, np.empty_like(self._values)])
        stop = self._count + len(keys)
        for column, name in enumerate(self.names):
            self._values[self._count : stop, column] = np.asarray(outputs[name], float)[new]
        self._rows.update(zip(keys, range(self._count, stop), strict=True))
        self._count = stop if len(self._rows) == stop else self._repeat(stop)

    def _repeat(self, stop: int) -> int:
        """A record that names a key twice leaves a gap, which does no harm."""
        return stop


def _write(path: Path, records: Sequence[Record], names: Sequence[str], fingerprint: str) -> None:
    import pyarrow

    columns: dict[str, Any] = {
        "key": [k for r in records for k in r.keys],
        "point": [t for r in records for t in r.texts],
        "level": np.concatenate([np.asarray(r.levels, np.int8) for r in records]),
        "seed": np.concatenate([np.asarray(r.seeds, np.int64) for r in records]),
    }
    columns |= {n: np.concatenate([np.asarray(r.outputs[n], float) for r in records]) for n in names}
    write_table(path, pyarrow.table(columns).replace_schema_metadata({"fingerprint": fingerprint}))


def shards(folder: Path) -> list[Path]:
    """The shards in a folder, in order of their names."""
    return sorted(path for path in folder.iterdir() if SHARD.fullmatch(path.name))


def write_table(path: Path, table: Any) -> None:
    """One parquet file, whole or absent, on the disk when this returns."""
    import pyarrow.parquet

    part = part_of(path)
    try:
        with open(part, "wb") as file:
            pyarrow.parquet.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


PART = re.compile(r"\..*\.parquet\.(.+)-(\d+)\.tmp")


def part_of(path: Path) -> Path:
    """Where a shard is written before it is moved into place; the name says who writes, so that others can clear it."""
    return path.with_name(f".{path.name}.{platform.node() or 'here'}-{os.getpid()}.tmp")


def clear_parts(folder: Path) -> None:
    """Remove what processes of this machine that are dead have left half-written."""
    for path in folder.glob(".*.parquet.*.tmp"):
        found = PART.fullmatch(path.name)
        if found and found[1] == (platform.node() or "here") and not _lives(int(found[2])):
            path.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _joined(paths: Sequence[Path], prefix: str) -> str:
    """Write the rows of some shards of one evaluator as one, without duplicates, then remove them; its name."""
    import pyarrow
    import pyarrow.parquet

    whole = pyarrow.concat_tables([pyarrow.parquet.read_table(p) for p in paths], promote_options="default")
    first = np.unique(whole.column("key").to_numpy(zero_copy_only=False).astype("S"), return_index=True)[1]
    if len(first) < len(whole):
        whole = whole.take(pyarrow.array(np.sort(first)))
    name = f"{prefix}-{uuid.uuid4().hex}.parquet"
    write_table(paths[0].with_name(name), whole)
    for path in paths:
        path.unlink(missing_ok=True)
    return name


def merge(folder: Path, sources: Sequence[Path]) -> int:
    """Copy the shards of other stores into `folder`; returns how many were new. Safe beside running searches."""
    for source in sources:
        if not source.is_dir():
            raise InputError("no such folder", file=str(source), fix="give the store of a search")
        if not shards(source):
            raise InputError(
                "holds no answers of a search", file=str(source), fix="give the folder `store` of a search"
            )
    folder.mkdir(parents=True, exist_ok=True)
    added = 0
    for source in sources:
        for path in shards(source):
            target = folder / path.name
            if not target.exists():
                part = part_of(target)
                shutil.copyfile(path, part)
                os.replace(part, target)
                added += 1
    return added


def compact(folder: Path) -> int:
    """Replace the shards of each evaluator by one without duplicates; returns how many files went.

    The new shard is in place before an old one goes, so that a kill loses nothing. Run it when no search is reading.
    """
    groups: dict[str, list[Path]] = {}
    if not folder.is_dir():
        raise InputError("no such folder", file=str(folder), fix="give the store of a search")
    for path in shards(folder):
        groups.setdefault(path.name.partition("-")[0], []).append(path)
    gone = 0
    for prefix, paths in groups.items():
        if len(paths) < 2:
            continue
        _joined(paths, prefix)
        gone += len(paths) - 1
    return gone
