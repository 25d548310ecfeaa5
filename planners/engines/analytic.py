"""Steady state: see `simcore.engine.analytic`."""

from __future__ import annotations

from typing import Any

from simcore.spec.scenario import Scenario


def answer(scenario: Scenario) -> dict[str, Any]:
    """The verb `estimate`."""
    from planners.estimate import estimate

    return estimate(scenario).flat
