"""Least recently used downwards: KV to the first tier, that to the second; what is fetched moves back up."""

from __future__ import annotations

from simcore.policy.offload import OffloadRule

RULE = OffloadRule(demotes=True, moves=True)
