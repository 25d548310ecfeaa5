"""The optional log of steps: a section of one array for each replica, read together in the order of time."""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.policy.records import NONE, STEP

LEAST = 1000
"""rows of a replica, whatever their number"""


def new_log(replicas: Any, log_steps: int) -> Any:
    """`[rows]` for about `log_steps` steps of all replicas; each has its section, whose end row belongs to none."""
    if not log_steps:
        return np.zeros(0, STEP)
    count = max(len(replicas), 1)
    each = max(log_steps // count, LEAST) + 1
    log = np.zeros(count * each, STEP)
    log["replica"] = np.repeat(np.arange(count), each)
    log["replica"][each - 1 :: each] = NONE
    replicas["logged"] = np.arange(count) * each
    return log


def written(log: Any, replicas: Any) -> Any:
    """The rows that were written, by their start."""
    if not len(log):
        return log
    each = len(log) // len(replicas)
    parts = [log[at * each : int(row["logged"])] for at, row in enumerate(replicas)]
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate([part["start_s"] for part in parts]), kind="stable")
    found = np.zeros(len(order), STEP)  # the bytes between fields too
    found[np.argsort(order)] = np.concatenate(parts)
    return found


def is_whole(log: Any, replicas: Any) -> bool:
    """Whether a log of `written` has every step of the run."""
    return len(log) > 0 and int(log["steps"].sum()) == int(replicas["steps"].sum())
