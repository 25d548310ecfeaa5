"""Contracts for whoever adds something: plain functions `check_X(thing)` that raise AssertionError with what is wrong.

    from simcore.testing import check_scheduler
    check_scheduler("my-scheduler")

They need no test framework. Schedulers and routers are given by name (registered or installed), everything else by
value. The suite runs every one of them over everything that is shipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simcore.testing.blocks import check_block
    from simcore.testing.collectives import check_collective
    from simcore.testing.cost_models import check_cost_model
    from simcore.testing.engines import check_engine
    from simcore.testing.hardware import check_assumptions, check_chip
    from simcore.testing.methods import check_method
    from simcore.testing.models import check_model
    from simcore.testing.planners import check_planner
    from simcore.testing.schedulers import check_router, check_scheduler
    from simcore.testing.schedules import check_schedule
    from simcore.testing.stacks import check_stack

ROOMS = {
    "check_assumptions": "hardware",
    "check_block": "blocks",
    "check_chip": "hardware",
    "check_collective": "collectives",
    "check_cost_model": "cost_models",
    "check_engine": "engines",
    "check_method": "methods",
    "check_model": "models",
    "check_planner": "planners",
    "check_router": "schedulers",
    "check_schedule": "schedules",
    "check_scheduler": "schedulers",
    "check_stack": "stacks",
}
__all__ = [
    "check_assumptions",
    "check_block",
    "check_chip",
    "check_collective",
    "check_cost_model",
    "check_engine",
    "check_method",
    "check_model",
    "check_planner",
    "check_router",
    "check_schedule",
    "check_scheduler",
    "check_stack",
]


def __getattr__(name: str) -> Any:
    """A contract, imported when it is asked for."""
    if name not in ROOMS:
        raise AttributeError(f"simcore.testing has no {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{ROOMS[name]}"), name)
