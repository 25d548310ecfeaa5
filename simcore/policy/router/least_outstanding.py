"""The replica with the fewest unfinished requests; the first of equals."""

from __future__ import annotations

from typing import Any

from simcore.policy.router._verbs import policy

LOOKS = True


@policy
def route(replicas: Any, requests: Any, number: int, hashes: Any, caches: Any) -> int:
    """Smallest `outstanding` among replicas that are up."""
    best = -1
    for at in range(replicas.size):
        if replicas[at].up == 1 and (best < 0 or replicas[at].outstanding < replicas[best].outstanding):
            best = at
    return max(best, 0)
