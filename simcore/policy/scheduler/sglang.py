"""SGLang-like: new prompts run alone, before decodes, up to `prefill_budget` tokens; longest cached prefix first.

A prompt longer than `chunk_tokens` is cut; its next chunk goes before new prompts. The queue is reordered within its
first 64 requests by how much of their prefix is cached.
"""

from __future__ import annotations

from typing import Any

from simcore.policy.scheduler._verbs import (
    admit,
    bring_best_hit,
    can_admit,
    continue_prefills,
    decode_all,
    left,
    policy,
    start_step,
    take,
)


@policy
def compose(replica: Any, requests: Any, hashes: Any, cache: Any) -> None:
    """One step: prompts alone, or all decodes."""
    start_step(replica)
    budget = min(replica.prefill_budget, replica.token_budget)
    budget = continue_prefills(replica, requests, hashes, cache, budget)
    while budget > 0:
        bring_best_hit(replica, requests, hashes, cache)
        if not can_admit(replica, requests, hashes, cache):
            break
        number = admit(replica, requests, hashes, cache)
        tokens = min(left(requests, number), budget, replica.chunk_tokens)
        if not take(replica, requests, hashes, cache, number, tokens):
            break
        budget -= tokens
    if replica.chunk_count == 0:
        decode_all(replica, requests, hashes, cache)
