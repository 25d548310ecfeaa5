"""The decode pool of a disaggregated service: requests come with their KV and only decode."""

from __future__ import annotations

from typing import Any

from simcore.policy.scheduler._verbs import admit, can_admit, decode_all, left, policy, start_step, take


@policy
def compose(replica: Any, requests: Any, hashes: Any, cache: Any) -> None:
    """Take in what fits, then decode; a request without KV (after a preemption) is prefilled here."""
    start_step(replica)
    undisturbed = decode_all(replica, requests, hashes, cache)
    while undisturbed and can_admit(replica, requests, hashes, cache):
        number = admit(replica, requests, hashes, cache)
        if not take(replica, requests, hashes, cache, number, left(requests, number)):
            break
