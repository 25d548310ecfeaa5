"""Energy of arithmetic and of memory accesses, where the specs of unit, tier and link say what one costs."""

from __future__ import annotations

from typing import Any

from scenarios.resolved import Resolved
from simcore.cost.storage import links_of, stripes
from simcore.result import OperationRow


def access_energy(found: Resolved, rows: tuple[OperationRow, ...], batch: float) -> dict[str, Any]:
    """Joules of a decoded token, by what is accessed: `array_energy_j_per_token` (FLOP of the matrix unit),
    `memory_energy_j_per_token` (bytes of the main tier), `tier_energy_j_per_token` (KV read where it lies, its link).

    Flop x J/FLOP and bytes x J/byte of a decode step over all chips, over its `batch`. Beside the board's power, which
    follows utilisation, not part of it. Empty where no spec says; wrong where activations stay in a cache, whose bytes
    count as the main tier's.
    """
    chip, home = found.system.chip, found.machine.tiers[2]
    decode = [row for row in rows if row.phase == "decode"]
    away = [row for row in decode if home != "main" and row.name == "attention_decode"]
    near = sum(row.moved_bytes for row in decode) - sum(row.moved_bytes for row in away)
    each = found.plan.replica_chips / max(batch, 1.0)
    told: dict[str, Any] = {}
    unit = chip.compute[chip.main_unit].energy_j_per_flop
    if unit is not None:
        told["array_energy_j_per_token"] = sum(row.flop for row in decode) * unit * each
    main = chip.memory[chip.main_tier].energy_j_per_byte
    if main is not None:
        told["memory_energy_j_per_token"] = near * main * each
    if away:
        byte_j = sum(part.part_ratio * _byte_j(found, part.tier) for part in stripes(found.system, home))
        if byte_j > 0.0:
            told["tier_energy_j_per_token"] = sum(row.moved_bytes for row in away) * byte_j * each
    return told


def _byte_j(found: Resolved, tier: Any) -> float:
    link = links_of(found.system).get(tier.link or "")
    return (tier.energy_j_per_byte or 0.0) + ((link.energy_j_per_byte or 0.0) if link is not None else 0.0)
