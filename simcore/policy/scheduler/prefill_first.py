"""Prefill first, whole prompts, first come first served: vLLM v0.

Waiting prompts are batched by themselves while they fit in the token budget, counted padded to the longest as vLLM v0
did; only when none can start do the running sequences decode.
"""

from __future__ import annotations

from typing import Any

from simcore.policy.scheduler._verbs import admit, can_admit, decode_all, left, policy, start_step, take

WHOLE_PROMPTS = True


@policy
def compose(replica: Any, requests: Any, hashes: Any, cache: Any) -> None:
    """One step: new prompts alone, or all decodes."""
    start_step(replica)
    longest = 0
    while can_admit(replica, requests, hashes, cache):
        head = requests[replica.queue_head]
        longest = max(longest, head.target_tokens)
        if longest * (replica.chunk_count + 1) > replica.token_budget and replica.chunk_count > 0:
            break
        number = admit(replica, requests, hashes, cache)
        take(replica, requests, hashes, cache, number, left(requests, number))
    if replica.chunk_count == 0:
        decode_all(replica, requests, hashes, cache)
