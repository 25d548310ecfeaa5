"""Step times of operators alone, for tests that need neither a scenario nor a server."""

from __future__ import annotations

from typing import Any

import hardware_specs
from scenarios.stacks import cost_model
from simcore.cost.machine import machine_of
from simcore.ops.op import plan_columns
from simcore.step.price import Physics
from simcore.step.sample import physics_step_times


def scenario_physics(model: Any, chip: Any, plan: Any, stack: str, system: Any = None) -> tuple[Any, Any]:
    """(physics of the operators alone, plan columns) of a model under a plan on a chip."""
    weights, experts, activations, kv = plan.formats()
    machine = machine_of(system or hardware_specs.system(chip.name), weights, experts, activations, None, kv)
    return Physics(model, machine, cost_model(chip.name, stack)), plan_columns(plan)


def scenario_step_times(model: Any, chip: Any, plan: Any, stack: str, system: Any = None) -> Any:
    """Step times of the operators alone."""
    physics, columns = scenario_physics(model, chip, plan, stack, system)
    return physics_step_times(physics, columns, source=f"{chip.name}, {stack}")
