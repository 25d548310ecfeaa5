"""Chunked prefill with decode priority: vLLM v1, Sarathi-Serve.

Every decoding sequence takes its token; what remains of the token budget goes to started prefills, then to new
requests in order, cut into chunks.
"""

from __future__ import annotations

from typing import Any

from simcore.policy.scheduler._verbs import (
    admit,
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
    """One step within `token_budget`."""
    start_step(replica)
    undisturbed = decode_all(replica, requests, hashes, cache)
    budget = min(replica.token_budget - replica.step_tokens, replica.prefill_budget)
    budget = continue_prefills(replica, requests, hashes, cache, budget)
    while undisturbed and budget > 0 and can_admit(replica, requests, hashes, cache):
        number = admit(replica, requests, hashes, cache)
        tokens = min(left(requests, number), budget, replica.chunk_tokens)
        if not take(replica, requests, hashes, cache, number, tokens):
            break
        budget -= tokens
