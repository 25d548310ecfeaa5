"""As slow as the SLO allows: one level down while there is slack, to the top as soon as a bound comes near.

Decode steps are judged by their length against the TPOT bound, steps with a prompt by it and by how long the first
request of the queue has waited against the TTFT bound.
"""

from __future__ import annotations

from simcore.policy.power import Levels, PowerLimits, PowerView, bounded


def choose(view: PowerView, limits: PowerLimits) -> Levels:
    """Next levels by the worst share of a bound in use."""
    decode = view.gap_s / limits.tpot_s
    prefill = max(decode, view.queue_s / limits.ttft_s)
    return bounded(limits, step(view.levels.mixed, prefill, limits), step(view.levels.pure, decode, limits))


def step(level: int, used_ratio: float, limits: PowerLimits) -> int:
    """Top clock above the high ratio, one level slower below the low one."""
    if used_ratio > limits.high_ratio:
        return 0
    return level + 1 if used_ratio < limits.low_ratio else level
