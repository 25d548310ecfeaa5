"""Watts: one level down while the replica's mean power exceeds its cap, one up when it is well below.

Decode steps go down first, because they lose least.
"""

from __future__ import annotations

from simcore.policy.power import Levels, PowerLimits, PowerView, bounded


def choose(view: PowerView, limits: PowerLimits) -> Levels:
    """Next levels by the power of the last interval; between the two ratios of the cap nothing moves."""
    mixed, pure = view.levels
    if view.power_w > limits.cap_w:
        return bounded(limits, mixed + int(pure == limits.last), pure + 1)
    if view.power_w < limits.low_ratio * limits.cap_w:
        return bounded(limits, mixed - 1, pure - int(mixed == 0))
    return view.levels
