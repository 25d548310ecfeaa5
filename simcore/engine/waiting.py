"""The wait for a slot of those beyond what runs at once."""

from __future__ import annotations

import numpy as np

from simcore.ops.op import Column


def with_queue(times: dict[str, Column], batch: Column, running: Column) -> dict[str, Column]:
    """The times with the wait for a slot: (batch - running) requests wait while `running` take e2e each."""
    if running is batch:  # nobody waits
        return {**times, "queue_s": np.zeros(np.shape(times["e2e_s"]))}
    queue_s = (batch - running) / running * times["e2e_s"]
    late = {name: times[name] + queue_s for name in ("ttft_s", "e2e_s")}
    return {**times, **late, "queue_s": queue_s}
