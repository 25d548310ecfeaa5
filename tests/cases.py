"""Resolved questions for tests: `case("llama-3.1-70b", "h100-sxm", tp=8)`, stack datasheet unless one is named."""

from __future__ import annotations

from typing import Any

import simcore
from scenarios.estimate import case_of
from simcore.spec.case import Case


def case(model: Any, system: Any, stack: str = "datasheet", **more: Any) -> Case:
    """The case behind `simcore.scenario(...)`."""
    return case_of(simcore.scenario(model, system, stack=stack, **more))[0]


def estimated(model: Any, system: Any, stack: str = "datasheet", **more: Any) -> Any:
    """`simcore.estimate(...)` under the same default."""
    return simcore.estimate(model, system, stack=stack, **more)
