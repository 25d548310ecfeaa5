"""A clock for each phase: `prefill_level` for steps with a prompt, `decode_level` for steps of decodes alone.

Decode waits for memory, so that a lower clock costs it little; prefill is compute (Patel et al., POLCA, ASPLOS 2024).
"""

from __future__ import annotations

from simcore.policy.power import Levels, PowerLimits, PowerView


def choose(view: PowerView, limits: PowerLimits) -> Levels:
    """The stated levels."""
    return Levels(limits.prefill_level, limits.decode_level)
