"""Which unreferenced prefix a full cache forgets first: one file each, found by name."""

from __future__ import annotations

from simcore.registry import GROUPS, PluginRegistry

evictions = PluginRegistry("cache policy", "simcore.policy.cache", "BY_HITS", GROUPS["cache"])
