"""SLO-aware: urgent requests (a finite TTFT deadline) go where the fewest prompt tokens wait, others where the most
room for decoding is left."""

from __future__ import annotations

import math
from typing import Any

from simcore.policy.router._verbs import policy

LOOKS = True


@policy
def route(replicas: Any, requests: Any, number: int, hashes: Any, caches: Any) -> int:
    """Fewest queued tokens for urgent requests, fewest unfinished requests for the rest."""
    urgent = not math.isinf(requests[number].deadline_s)
    best = -1
    least = 0.0
    for at in range(replicas.size):
        if replicas[at].up != 1:
            continue
        load = replicas[at].queue_tokens if urgent else replicas[at].outstanding
        if best < 0 or load < least:
            best, least = at, load
    return max(best, 0)
