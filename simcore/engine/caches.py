"""Where the prefix caches of a fleet lie: one array, a stretch per replica, per tier of its own, per shared tier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simcore.engine.settings import ReplicaSettings
from simcore.errors import InputError
from simcore.policy.offload import Tier
from simcore.policy.records import BLOCK, NONE, TIER_ROWS


def lay_out(replicas: Any, entries: int, settings: Sequence[ReplicaSettings]) -> Any:
    """The cache array of `replicas`, `entries` prefix hashes each; writes into their records where they find theirs.

    Raises InputError if a shared tier is described in two ways.
    """
    rows = len(replicas) * entries
    heads: list[int] = []
    shared: dict[str, tuple[Tier, int]] = {}
    for at, how in enumerate(settings):
        replicas[at]["cache_start"], replicas[at]["cache_entries"] = at * entries, entries
        if not entries:
            replicas[at]["tier_count"] = 0
            continue
        for place, tier in enumerate(how.tiers):
            known = shared.get(tier.name) if tier.shared else None
            if known is not None and known[0] != tier:
                raise InputError(f"the shared tier {tier.name!r} is described in two ways", key="policy.tiers")
            start = rows if known is None else known[1]
            if known is None:
                heads.append(start)
                rows += TIER_ROWS + entries
            if tier.shared:
                shared[tier.name] = (tier, start)
            replicas[at]["tier_start"][place] = start
    caches = np.zeros(rows, BLOCK)
    caches["newer"][heads] = caches["older"][heads] = NONE
    return caches
