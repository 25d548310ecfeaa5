"""Arrivals, queues and caches: see `simcore.engine.serving`."""

from __future__ import annotations

from typing import Any

from simcore.spec.scenario import Scenario


def answer(scenario: Scenario) -> dict[str, Any]:
    """The verb `simulate`."""
    from scenarios.simulate import simulate

    return simulate(scenario).flat
