"""Scheduling policies of one replica: one file each, found by name. Each composes one step out of `_verbs`.

A module may also say `ORDER`, how its queue is ordered: "arrival" (default), "priority", "shortest" or "deadline".
"""

from __future__ import annotations

import importlib

from simcore.registry import PluginRegistry, normal

schedulers = PluginRegistry("scheduler", "simcore.policy.scheduler", "compose")


def queue_order(name: str) -> str:
    """How the scheduler of that name orders its queue."""
    schedulers(name)
    return str(getattr(importlib.import_module(schedulers.modules[normal(name)]), "ORDER", "arrival"))
