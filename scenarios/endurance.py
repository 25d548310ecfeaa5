"""How long the tier lasts that KV is written to: drives state the bytes that they bear."""

from __future__ import annotations

from typing import Any

import numpy as np

from scenarios.resolved import Resolved
from simcore.cost.memory import kv_bytes_per_sequence
from simcore.cost.storage import tier_endurance_bytes

YEAR_S = 365.25 * 24 * 3600.0


def life(found: Resolved, tokens_per_s: float) -> dict[str, Any]:
    """`kv_write_bytes_per_s` of one chip, and `tier_life_years` where the tier of KV wears out; nothing of KV at home.

    `tokens_per_s` enter the cache of one rank, those of prompts too; every token's KV is written once. Wrong low where
    the drive writes more than it is told to (its write amplification belongs into `endurance`).
    """
    home = found.machine.tiers[2]
    if home == "main":
        return {}
    whole, none = (kv_bytes_per_sequence(found.model, found.columns, tokens) for tokens in (1.0, 0.0))
    rate = tokens_per_s * float(np.max(whole - none))
    endurance = tier_endurance_bytes(found.system, home)
    told: dict[str, Any] = {"kv_write_bytes_per_s": rate}
    if np.isfinite(endurance) and rate > 0.0:
        told["tier_life_years"] = endurance / rate / YEAR_S
    return told
