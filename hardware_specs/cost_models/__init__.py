"""Cost models by name, one file each: `make(chip) -> CostModel` for a chip (a name or a spec).

One of one's own is such a module under the entry points `simcore.cost_models`, or given to
`simcore.register("cost model", module)`; a stack names it at `kernels`, or a scenario at `hardware.stack`, and
`simcore.testing.check_cost_model` holds it against the laws.
"""

from __future__ import annotations

from simcore.registry import GROUPS, PluginRegistry

cost_models = PluginRegistry("cost model", "hardware_specs.cost_models", "make", GROUPS["cost model"])

__all__ = ["cost_models"]
