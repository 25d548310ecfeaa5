"""Two replicas at random, the less loaded of them (Mitzenmacher 2001)."""

from __future__ import annotations

from typing import Any

from simcore.policy.router._verbs import nth_up, policy, scrambled, up_count

LOOKS = True


@policy
def route(replicas: Any, requests: Any, number: int, hashes: Any, caches: Any) -> Any:
    """Fewest unfinished requests of two choices."""
    count = up_count(replicas)
    first = nth_up(replicas, scrambled(2 * number) % count)
    second = nth_up(replicas, scrambled(2 * number + 1) % count)
    return second if replicas[second].outstanding < replicas[first].outstanding else first
