"""Cells of a published table as numbers: commas, footnotes, `8,192`, `-`, and pairs such as `64 (0)`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")


def text(row: Mapping[str, Any], name: str) -> str:
    """The cell as text, empty where there is none."""
    value = row.get(name)
    return "" if value is None or value != value else str(value).strip()


def number(row: Mapping[str, Any], name: str, default: float | None = None) -> float | None:
    """The first number of a cell; `default` where it holds none.

    >>> number({"a": "64 (0)"}, "a"), number({"a": "4,497"}, "a"), number({"a": "-"}, "a", 1.0), number({}, "b")
    (64.0, 4497.0, 1.0, None)
    """
    found = NUMBER.search(text(row, name))
    return float(found.group().replace(",", "")) if found else default


def whole(row: Mapping[str, Any], name: str, default: int = 1) -> int:
    """The first number of a cell as a count."""
    found = number(row, name)
    return default if found is None else round(found)


def needed(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Which of the cells a question needs are missing, in words; empty: none."""
    missing = [name for name in names if number(row, name) is None]
    return f"no {', '.join(missing)}" if missing else ""
