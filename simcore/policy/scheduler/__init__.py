"""Scheduling policies of one replica: one file each, found by name. Each composes one step out of `_verbs`."""

from __future__ import annotations

from simcore.registry import PluginRegistry

schedulers = PluginRegistry("scheduler", "simcore.policy.scheduler", "compose")
