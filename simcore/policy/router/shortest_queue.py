"""Join the shortest queue by tokens: the replica with the fewest input and output tokens of unfinished requests."""

from __future__ import annotations

from typing import Any

from simcore.policy.router._verbs import policy

LOOKS = True


@policy
def route(replicas: Any, requests: Any, number: int, hashes: Any, caches: Any) -> int:
    """Smallest `outstanding_tokens` among replicas that are up."""
    best = -1
    for at in range(replicas.size):
        if replicas[at].up == 1 and (best < 0 or replicas[at].outstanding_tokens < replicas[best].outstanding_tokens):
            best = at
    return max(best, 0)
