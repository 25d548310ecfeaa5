"""By pressure, with hysteresis: the queue of prompts against the KV and slots of the decodes.

A role gains a replica when it is above its high threshold and the other would stay below its low one without it. So a
switch never calls for its reverse at the same load, and nothing moves where both are short.
"""

from __future__ import annotations

from simcore.policy.roles import Gain, RoleLimits, RoleLoad


def choose(load: RoleLoad, limits: RoleLimits) -> Gain:
    """The short role, if the other can spare a replica."""
    queue_tokens = load.queue_tokens / max(1, load.prefill_replicas)
    spared_queue_tokens = load.queue_tokens / max(1, load.prefill_replicas - 1)
    spared_decode_ratio = load.decode_ratio * load.decode_replicas / max(1, load.decode_replicas - 1)
    if load.decode_ratio > limits.high_decode_ratio and spared_queue_tokens < limits.low_queue_tokens:
        return "decode"
    if queue_tokens > limits.high_queue_tokens and spared_decode_ratio < limits.low_decode_ratio:
        return "prefill"
    return None
