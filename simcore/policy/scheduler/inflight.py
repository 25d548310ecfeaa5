"""TensorRT-LLM-like in-flight batching: decodes and whole prompts in one step, at most `token_budget` tokens.

With `reserve_output` it is GUARANTEED_NO_EVICT (KV for the longest possible output is set aside at admission), without
it MAX_UTILIZATION (requests are paused when KV runs out). A finite `chunk_tokens` turns chunked context on.
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
    """One step: all decodes, then prompts that fit whole (or by chunks)."""
    start_step(replica)
    undisturbed = decode_all(replica, requests, hashes, cache)
    budget = min(replica.token_budget - replica.step_tokens, replica.prefill_budget)
    budget = continue_prefills(replica, requests, hashes, cache, budget)
    while undisturbed and budget > 0 and can_admit(replica, requests, hashes, cache):
        whole = requests[replica.queue_head].target_tokens
        if (
            whole > budget
            and whole <= replica.token_budget
            and whole <= replica.chunk_tokens
            and replica.step_tokens > 0
        ):
            break
        number = admit(replica, requests, hashes, cache)
        tokens = min(left(requests, number), replica.chunk_tokens)
        if whole > replica.token_budget or whole > replica.chunk_tokens:
            tokens = min(tokens, budget)
        if not take(replica, requests, hashes, cache, number, tokens):
            break
        budget -= tokens
