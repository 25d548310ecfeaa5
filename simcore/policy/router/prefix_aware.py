"""Prefix-cache-aware: least work, counting what the replica would still have to prefill for this request.

work = outstanding tokens + input tokens not found in its cache; so a cached prefix wins unless that replica is busier
by more than the prefix is worth.
"""

from __future__ import annotations

from typing import Any

from simcore.policy.router._verbs import policy
from simcore.policy.scheduler._prefix import hit_count

LOOKS = True


@policy
def route(replicas: Any, requests: Any, number: int, hashes: Any, caches: Any) -> int:
    """Smallest remaining work among replicas that are up."""
    request = requests[number]
    request.target_tokens = request.input_tokens
    best = -1
    least = 0
    for at in range(replicas.size):
        if replicas[at].up != 1:
            continue
        hits = hit_count(replicas[at], request, hashes, caches)
        work = replicas[at].outstanding_tokens + request.input_tokens - hits * replicas[at].hash_tokens
        if best < 0 or work < least:
            best, least = at, work
    return max(best, 0)
