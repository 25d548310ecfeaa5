"""What the models with operator tables share."""

from __future__ import annotations

from simcore.cost.operator_cost import OperatorCost
from simcore.spec.hardware import Chip


def tabled(chip: str | Chip, stack: str) -> OperatorCost:
    """Operator tables of a stack on a shipped chip, the data-sheet laws elsewhere. Raises UnknownName."""
    from hardware_specs.calibrations import board_law, calibration, shipped

    spec = shipped(chip)
    return OperatorCost(stack, calibration(spec, stack), board_law(spec))
