"""Engines by name, one file each: `answer(scenario) -> dict` gives the flat fields of `scenarios.answer`.

One of one's own is such a module under the entry points `simcore.engines`, or given to
`simcore.register("engine", module)`. What it cannot honour it refuses by name (InputError); what does not fit is an
answer with `feasible` False and a reason. `simcore.testing.check_engine` holds it against that.
"""

from __future__ import annotations

from simcore.registry import GROUPS, PluginRegistry

engines = PluginRegistry("engine", "planners.engines", "answer", GROUPS["engine"])

__all__ = ["engines"]
