"""A block that leaves the KV goes down if it was hit at least once: spares the links what is never asked for again."""

from __future__ import annotations

from simcore.policy.offload import OffloadRule

RULE = OffloadRule(least_hits=1, demotes=True)
