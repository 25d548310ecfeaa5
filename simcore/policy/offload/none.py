"""What leaves the KV is forgotten."""

from __future__ import annotations

from simcore.policy.offload import OffloadRule

RULE = OffloadRule(writes=False)
