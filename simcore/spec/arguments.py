"""What functions of the Python face are given, checked once where it comes in: each refusal names the argument."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from simcore.errors import InputError
from simcore.unit_text import found_text


def whole(value: Any, name: str, least: int = 0, most: int = 2**31 - 1) -> int:
    """A whole number from `least` to `most`. Raises InputError.

    >>> whole(3, "seeds")
    3
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= most:
        raise InputError(f"{found_text(value)} is no whole number from {least:,} to {most:,}", key=name)
    return int(value)


def number(value: Any, name: str, least: float = 0.0, most: float = 1e30) -> float:
    """A finite number from `least` to `most`. Raises InputError."""
    good = isinstance(value, Real) and not isinstance(value, bool)
    if not good or not least <= value <= most:  # nan is on neither side
        raise InputError(f"{found_text(value)} is no number from {least:g} to {most:g}", key=name)
    return float(value)


def one_of(value: Any, name: str, known: tuple[str, ...]) -> str:
    """A word of `known`. Raises InputError."""
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{found_text(value)} is none of {', '.join(known)}", key=name)
    return value


def table(value: Any, name: str) -> dict[str, Any]:
    """A table with names as keys. Raises InputError."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InputError(f"{found_text(value)} is no table of names to values", key=name)
    return dict(value)


def names(value: Any, name: str) -> tuple[Any, ...]:
    """A list of names, paths or tables. Raises InputError."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InputError(f"{found_text(value)} is no list of names", key=name, fix="write it in brackets")
    return tuple(value)


def path(value: Any, name: str) -> Path:
    """A path. Raises InputError."""
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"{found_text(value)} is no path", key=name)
    return Path(value)
