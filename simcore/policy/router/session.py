"""Session-sticky: all requests of a session go to one replica, chosen by a hash of the session."""

from __future__ import annotations

from typing import Any

from simcore.policy.router._verbs import nth_up, policy, scrambled, up_count

LOOKS = False


@policy
def route(replicas: Any, requests: Any, number: int, hashes: Any, caches: Any) -> Any:
    """The replica of the session; moves only when replicas come or go."""
    return nth_up(replicas, scrambled(requests[number].session) % up_count(replicas))
