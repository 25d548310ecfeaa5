"""What a scheduler of one's own is written with; see `simcore.policy.scheduler` for what its file holds.

All are compiled by numba and take records (`simcore.policy.records`): the replica, the array of requests, the prefix
hashes and the replica's cache. A policy composes one step: `start_step` first, then any of the others.
"""

from __future__ import annotations

from simcore.policy.scheduler._decodes import blocks_of
from simcore.policy.scheduler._verbs import (
    admit,
    bring_best_hit,
    can_admit,
    continue_prefills,
    decode_all,
    enter,
    left,
    new_blocks,
    policy,
    preempt_after,
    running,
    sort_queue,
    start_step,
    take,
)

__all__ = [
    "admit",
    "blocks_of",
    "bring_best_hit",
    "can_admit",
    "continue_prefills",
    "decode_all",
    "enter",
    "left",
    "new_blocks",
    "policy",
    "preempt_after",
    "running",
    "sort_queue",
    "start_step",
    "take",
]
