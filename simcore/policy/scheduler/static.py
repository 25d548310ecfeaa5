"""Static and dynamic batching, as in FasterTransformer behind a batching server.

A batch starts when nothing runs: with `max_running` requests, or with what is there once the oldest has waited
`batch_wait_s` (0: at once). Nobody joins until the whole batch is done.
"""

from __future__ import annotations

from typing import Any

from simcore.policy.scheduler._verbs import admit, can_admit, decode_all, left, policy, running, start_step, take

WHOLE_PROMPTS = True


@policy
def compose(replica: Any, requests: Any, hashes: Any, cache: Any) -> None:
    """One step: a new batch's prompts, or the batch's decodes."""
    start_step(replica)
    if running(replica) == 0 and replica.queue_count > 0:
        due_s = requests[replica.queue_head].ready_s + replica.batch_wait_s
        if replica.queue_count < replica.max_running and replica.now_s < due_s:
            replica.wake_s = due_s
            return
        while can_admit(replica, requests, hashes, cache):
            number = admit(replica, requests, hashes, cache)
            if not take(replica, requests, hashes, cache, number, left(requests, number)):
                break
        return
    decode_all(replica, requests, hashes, cache)
