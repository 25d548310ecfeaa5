"""Memory of a scenario's replica: the KV pool that its plan, stack and policy leave."""

from __future__ import annotations

from typing import Any

import numpy as np

from scenarios.resolved import Resolved
from simcore.cost.memory import Home, Load, footprint
from simcore.cost.residency import elsewhere, tiers_in_use
from simcore.engine.kv_pool import KvPool, pool_of, without_room


def load_of(policy: Any, context_tokens: float = 1152.0) -> Load:
    """The load that memory is kept for: the policy's limits."""
    tokens, sampled = float(policy.token_budget), float(policy.max_running)
    return Load(context_tokens, step_tokens=tokens, sampled=sampled, block_tokens=policy.block_tokens)


def home_of(resolved: Resolved) -> Home:
    """One chip's main tier under its stack."""
    chip, policy, machine = resolved.system.chip, resolved.scenario.policy, resolved.machine
    tier = chip.memory[chip.main_tier]
    return Home(
        tier.reported_bytes,
        resolved.stack.memory,
        policy.memory_fraction,
        chip.reserve_bytes,
        **elsewhere(machine),
    )


def kv_pool(resolved: Resolved) -> KvPool:
    """What the scenario's plan leaves for KV on the fullest stage."""
    found = footprint(resolved.model, resolved.columns, load_of(resolved.scenario.policy), home_of(resolved))
    for tier, (need, have) in tiers_in_use(resolved.machine, found).items():
        if np.max(need - have) > 0:
            return without_room(tier, float(np.max(need)), float(np.max(have)))
    pool, home = pool_of(found, resolved.system.chip.main_tier), resolved.machine.tiers[2]
    if pool.problem is None or home == "main":
        return pool
    return without_room(home, float(np.max(found.pages.block_bytes)), float(np.max(found.room_bytes)))
