"""Nested tables as numbers by dotted name: what arithmetic on an answer may name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def numbers(answer: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Finite numbers of nested tables by dotted name; true and false as 1 and 0.

    >>> numbers({"a": 1, "b": {"c": True, "d": "text", "e": None}})
    {'a': 1.0, 'b.c': 1.0}
    """
    found: dict[str, float] = {}
    for key, value in answer.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{prefix}{key}.")
        elif hasattr(value, "item") and getattr(value, "size", 1) == 1:
            found |= numbers({key: value.item()}, prefix)
        elif isinstance(value, bool | int | float) and math.isfinite(value):
            found[f"{prefix}{key}"] = float(value)
    return found
