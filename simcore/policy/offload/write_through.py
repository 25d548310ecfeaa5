"""Every computed block is copied to every tier at once, so that leaving the KV costs nothing."""

from __future__ import annotations

from simcore.policy.offload import OffloadRule

RULE = OffloadRule(when_computed=True)
