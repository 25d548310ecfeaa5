"""A replica at random: the request's number through a hash, so that equal runs route equally."""

from __future__ import annotations

from typing import Any

from simcore.policy.router._verbs import nth_up, policy, scrambled, up_count

LOOKS = False


@policy
def route(replicas: Any, requests: Any, number: int, hashes: Any, caches: Any) -> Any:
    """Uniform over the replicas that are up."""
    return nth_up(replicas, scrambled(number) % up_count(replicas))
