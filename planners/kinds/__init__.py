"""Planners by name, one file each: `plan(scenario) -> ResultTable` of the choices that no other one dominates.

One of one's own is such a module under the entry points `simcore.planners`, or given to
`simcore.register("planner", module)`; `simcore.testing.check_planner` holds its choices against the engine.
"""

from __future__ import annotations

from simcore.registry import GROUPS, PluginRegistry

planners = PluginRegistry("planner", "planners.kinds", "plan", GROUPS["planner"])

__all__ = ["planners"]
