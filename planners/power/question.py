"""The curves that a power problem needs, from the calibration of its node's chip."""

from __future__ import annotations

from typing import Any


def curves_of(question: Any) -> dict[Any, Any]:
    """Power curves of every kind of work on the problem's node, from the chip's calibration."""
    import hardware_specs
    from hardware_specs.calibrations import power_model
    from planners.power.curves import ChipModels, server_curve

    node = hardware_specs.node(question.node)
    chip = hardware_specs.chip(node.chip)
    models = ChipModels(hardware_specs.calibration(chip), power_model(chip))
    return {k.work: server_curve(k.work, chip, node, models) for k in question.classes}
