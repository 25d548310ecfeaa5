"""A scheduler as a user writes it: one file with an option, state of its own, and the order of its queue.

Long inputs wait behind short ones, but never longer than `patience_s`: then they go first. It counts such rescues.
"""

from __future__ import annotations

from typing import Any

from simcore.policy.verbs import (
    admit,
    can_admit,
    continue_prefills,
    decode_all,
    left,
    policy,
    sort_queue,
    start_step,
    take,
)

OPTIONS = {"patience_s": 1.0, "weight_ratio": 1.0}
PATIENCE = 0
RESCUED = 0


def rank(requests: Any, options: Any) -> Any:
    """Shortest input first."""
    return requests["input_tokens"] * options["weight_ratio"]


@policy
def compose(replica: Any, requests: Any, hashes: Any, cache: Any) -> None:
    """Chunked prefill, after those that waited too long were moved to the front."""
    start_step(replica)
    at, changed = replica.queue_head, False
    while at >= 0:
        request = requests[at]
        if request.user[0] == 0.0 and replica.now_s - request.ready_s > replica.options[PATIENCE]:
            request.user[0] = 1.0
            request.rank = request.ready_s - 1e9
            replica.user[RESCUED] += 1.0
            changed = True
        at = request.next
    if changed:
        sort_queue(replica, requests)
    undisturbed = decode_all(replica, requests, hashes, cache)
    budget = continue_prefills(replica, requests, hashes, cache, replica.token_budget - replica.step_tokens)
    while undisturbed and budget > 0 and can_admit(replica, requests, hashes, cache):
        number = admit(replica, requests, hashes, cache)
        tokens = min(left(requests, number), budget, replica.chunk_tokens)
        if not take(replica, requests, hashes, cache, number, tokens):
            break
        budget -= tokens
