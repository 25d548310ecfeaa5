"""Laws that know a chip by its data sheet alone."""

from __future__ import annotations

from hardware_specs.cost_models._tables import tabled
from simcore.cost.operator_cost import OperatorCost
from simcore.spec.hardware import Chip


def make(chip: str | Chip) -> OperatorCost:
    """See `tabled`."""
    return tabled(chip, "datasheet")
