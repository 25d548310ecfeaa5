"""When a replica changes between prefill and decode: one file each, `choose(load, limits) -> role that gains one`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simcore.errors import InputError
from simcore.registry import GROUPS, PluginRegistry

Gain = Literal["prefill", "decode"] | None
"""the role that should gain a replica from the other; None: leave things as they are"""


@dataclass(frozen=True)
class RoleLimits:
    """Thresholds of a role policy; each pair lies apart, so that one switch does not call for its reverse."""

    high_queue_tokens: float
    """prefill is short of replicas above so many waiting input tokens per prefill replica"""
    low_queue_tokens: float
    """prefill can spare a replica below"""
    high_decode_ratio: float = 0.9
    """decode is short of replicas above this load"""
    low_decode_ratio: float = 0.6
    """decode can spare a replica if the others would stay below"""

    def __post_init__(self) -> None:
        for low, high in (("low_queue_tokens", "high_queue_tokens"), ("low_decode_ratio", "high_decode_ratio")):
            if not 0 <= getattr(self, low) < getattr(self, high):
                raise InputError(f"{low} must lie below {high}", key=f"fleet.roles.{low}")


@dataclass(frozen=True)
class RoleLoad:
    """What a role policy sees."""

    prefill_replicas: int
    decode_replicas: int
    queue_tokens: float
    """input tokens that wait in all prefill replicas"""
    decode_ratio: float
    """load of the decode replicas: the larger of KV (used and waited for) over capacity, and sequences over slots"""


role_policies = PluginRegistry("role policy", "simcore.policy.roles", "choose", GROUPS["role policy"])
