"""The roofline: no efficiency at all."""

from __future__ import annotations

from simcore.cost.roofline import Roofline
from simcore.spec.hardware import Chip


def make(chip: str | Chip) -> Roofline:
    """The same for every chip."""
    return Roofline()
