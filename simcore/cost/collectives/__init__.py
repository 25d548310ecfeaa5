"""Algorithms of collectives, one per file: what each takes of a group, and whether it is chosen where nobody names one.

`algorithms("double-tree")` finds `simcore/cost/collectives/double_tree.py` by its LINES.
"""

from __future__ import annotations

from functools import cache

from simcore.registry import GROUPS, PluginRegistry

algorithms: PluginRegistry = PluginRegistry(
    "collective algorithm", "simcore.cost.collectives", "LINES", GROUPS["collective"]
)
AUTO = "auto"
"""the fastest of those that libraries choose from"""


@cache
def chosen() -> tuple[str, ...]:
    """Shipped algorithms that libraries choose from."""
    return tuple(name for name in sorted(algorithms.modules) if algorithms.part(name, "CHOSEN", False))
