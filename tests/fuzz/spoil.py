"""An input, and what spoils trees and tables into files."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from simcore.spec.load import read_toml
from tests.fuzz.mutate import Change, as_toml, places, short, spoilt_bytes, spoilt_rows, spoilt_tree
from tests.shared import ROOT


@dataclass(frozen=True)
class Input:
    """One try: a command line, or a loader with its argument, and what was done to what it reads."""

    change: Change
    words: tuple[str, ...] = ()
    loader: Callable[[], object] | None = None
    environment: dict[str, str] = field(default_factory=dict)


Subject = Callable[[Path, random.Random], Input]


@cache
def files(*patterns: str, root: Path = ROOT) -> tuple[Path, ...]:
    return tuple(sorted(path for pattern in patterns for path in root.glob(pattern)))


@cache
def tree(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else read_toml(text, str(path))


def write_spoilt(path: Path, raw: Any, draw: random.Random) -> Change:
    """A tree, spoilt as a tree (nine times of ten, up to three times) or as bytes, in a TOML or JSON file."""

    def text_of(raw: Any) -> str:
        return json.dumps(raw) if path.suffix == ".json" else as_toml(raw)

    if draw.random() < 0.1:
        data, change = spoilt_bytes(text_of(raw).encode(), draw)
        path.write_bytes(data)
        return change
    before, changes = raw, []
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        raw, change = spoilt_tree(raw, draw)
        changes.append(change)
    change = together(changes, raw, before)
    path.write_text(text_of(raw), encoding="utf-8")
    return change


def together(changes: list[Change], raw: Any, before: Any) -> Change:
    """Several changes as one: nonsense if one of them is, and was not undone by a later one.

    A file whose schema or name is spoilt too is another file, which the command may not even look for; a number within
    junk of an earlier change was never sound.
    """
    if len(changes) == 1:
        return changes[0]
    how = ", ".join(change.how for change in changes)
    another = any(change.place in ("schema", "name") for change in changes)
    for change in () if another else changes:
        sound = short(value_at(before, change.place)) == change.old
        if change.nonsense and sound and short(value_at(raw, change.place)) == change.new:
            return Change(how, change.place, change.old, change.new, True)
    return Change(how, ", ".join(c.place for c in changes), changes[0].old, ", ".join(c.new for c in changes))


def value_at(raw: Any, place: str) -> Any:
    """What a tree holds at a place; None where it has none."""
    ways = [way for way in places(raw) if ".".join(map(str, way)) == place]
    for key in ways[0] if ways else ():
        raw = raw[key]
    return raw if ways else None


def write_rows(path: Path, text: str, draw: random.Random, sep: str = ",") -> Change:
    """A table as text, spoilt by its cells or as bytes."""
    if draw.random() < 0.1:
        data, change = spoilt_bytes(text.encode(), draw)
        path.write_bytes(data)
    else:
        text, change = spoilt_rows(text, draw, sep)
        path.write_text(text, encoding="utf-8")
    return change


@cache
def operator_text(path: Path) -> str:
    import pandas as pd

    return str(pd.read_parquet(path).iloc[:400:10].to_csv(index=False))


def cut(path: Path, most: int) -> str:
    """The head of a table."""
    return "\n".join(path.read_text(encoding="utf-8").splitlines()[:most]) + "\n"
