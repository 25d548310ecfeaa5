"""Orca: iteration-level scheduling. Each step holds every running sequence, new ones with their whole prompt.

First come, first served, limited by `max_running` and by KV reserved for the whole output (set `reserve_output`).
"""

from __future__ import annotations

from typing import Any

from simcore.policy.scheduler._verbs import admit, can_admit, decode_all, left, policy, start_step, take

WHOLE_PROMPTS = True


@policy
def compose(replica: Any, requests: Any, hashes: Any, cache: Any) -> None:
    """One step: all decodes and every prompt that may start."""
    start_step(replica)
    if not decode_all(replica, requests, hashes, cache):
        return
    while can_admit(replica, requests, hashes, cache):
        number = admit(replica, requests, hashes, cache)
        if not take(replica, requests, hashes, cache, number, left(requests, number)):
            break
