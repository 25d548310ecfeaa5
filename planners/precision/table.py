"""[precision] of a file as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from simcore.errors import InputError, suggest
from simcore.units import Bytes, Seconds, parse

PRECISION = "precision"


@dataclass(frozen=True)
class PrecisionTable:
    """Formats to choose from, what they lose, and what bounds the choice: `most_loss` or `most_time`, or both."""

    formats: tuple[str | dict[str, Any], ...]
    """that every layer chooses from: names, paths, or tables of format files"""
    loss: Mapping[str, Any] = field(default_factory=dict)
    """format -> what a layer loses in it, one number for all or a list of one a layer; a format that is left out loses
    nothing"""
    most_loss: float | None = None
    """of all layers together; None: no bound"""
    most_time: Seconds | None = None
    """of the whole step; None: no bound"""
    most_memory: Bytes | None = None
    """of all layers' weights on one chip; None: no bound"""


def precision_table(raw: Mapping[str, Any], file: str) -> PrecisionTable:
    """From the tables of a file; losses are looked at once the layers are known. Raises InputError."""
    table = raw.get(PRECISION)
    if not isinstance(table, dict):
        raise InputError("is missing", file=file, key=PRECISION, fix="write [precision] with formats and losses")
    known = [one.name for one in fields(PrecisionTable)]
    for key in table:
        if key not in known:
            raise InputError("unknown key", file=file, key=f"{PRECISION}.{key}", fix=suggest(key, known))
    names = table.get("formats")
    if not isinstance(names, list) or not names:
        raise InputError("is no list of formats", file=file, key="precision.formats", fix='write ["bf16", "int4"]')
    return PrecisionTable(
        tuple(names),
        table.get("loss", {}),
        _loss_bound(table, file),
        _quantity(table, "most_time", "s", file),
        _quantity(table, "most_memory", "byte", file),
    )


def _loss_bound(table: Mapping[str, Any], file: str) -> float | None:
    value = table.get("most_loss")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < np.inf:
        raise InputError(
            f"{value!r} is no loss", file=file, key="precision.most_loss", fix="write a number of 0 or more"
        )
    return float(value)


def _quantity(table: Mapping[str, Any], key: str, unit: str, file: str) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    try:
        return parse(str(value), unit)
    except (ValueError, InputError) as error:
        raise InputError(str(error), file=file, key=f"precision.{key}", fix='write for example "20 ms"') from None
