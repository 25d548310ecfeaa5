"""NAME: chunked prefill, shortest prompt first. One step is composed at a time: decodes, prompts in work, new ones.

Use it: `simcore.register("scheduler", NAME)` in Python, then `policy.scheduler = "NAME"`; or install it as the entry
point `NAME` of the group `simcore.schedulers`, and the command line knows it too. What it must keep:
`simcore.testing.schedulers.check_scheduler("NAME")`. Verbs and fields: `simcore/policy/verbs.py`, docs/own.md.
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
    start_step,
    take,
)

OPTIONS = {"weight_ratio": 1.0}
"""set under [policy.options]; read below as `replica.options[0]`, in this order"""


def rank(requests: Any, options: Any) -> Any:
    """The order of the queue: what is least goes first."""
    return requests["input_tokens"] * options["weight_ratio"]


@policy
def compose(replica: Any, requests: Any, hashes: Any, cache: Any) -> None:
    """One step of a replica; compiled, so plain loops are fast."""
    start_step(replica)
    undisturbed = decode_all(replica, requests, hashes, cache)
    budget = continue_prefills(replica, requests, hashes, cache, replica.token_budget - replica.step_tokens)
    while undisturbed and budget > 0 and can_admit(replica, requests, hashes, cache):
        number = admit(replica, requests, hashes, cache)
        tokens = min(left(requests, number), budget, replica.chunk_tokens)
        if not take(replica, requests, hashes, cache, number, tokens):
            break
        budget -= tokens
