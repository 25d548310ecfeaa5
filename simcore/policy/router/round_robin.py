"""Each replica in turn."""

from __future__ import annotations

from typing import Any

from simcore.policy.router._verbs import policy

LOOKS = False


@policy
def route(replicas: Any, requests: Any, number: int, hashes: Any, caches: Any) -> Any:
    """The next replica that is up."""
    count = replicas.size
    for step in range(count):
        at = (number + step) % count
        if replicas[at].up == 1:
            return at
    return number % count
