"""The decode pool of a disaggregated service: requests come with their KV and decode from the next step on."""

from __future__ import annotations

from typing import Any

from simcore.policy.scheduler._verbs import admit, can_admit, decode_all, enter, left, policy, start_step, take

WHOLE_PROMPTS = True


@policy
def compose(replica: Any, requests: Any, hashes: Any, cache: Any) -> None:
    """Take in what fits, then decode; a request without KV (after a preemption) is prefilled here."""
    start_step(replica)
    while can_admit(replica, requests, hashes, cache):
        number = admit(replica, requests, hashes, cache)
        if requests[number].swapped == 1:
            enter(replica, requests, number)
        elif not take(replica, requests, hashes, cache, number, left(requests, number)):
            break
    decode_all(replica, requests, hashes, cache)
