"""Carbon and material per million tokens of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenarios.prices import prices_of
from scenarios.resolved import Resolved
from simcore.cost.material import is_asked, taken

MILLION = 1e6


def material_of(found: Resolved | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """chips_used, carbon_kg and material_kg per million tokens; nothing where nobody asks, where several pools of chips
    serve, and for answers without tokens."""
    if found is None or found.scenario.fleet is not None or found.scenario.attention_ffn is not None:
        return {}
    material, prices = found.system.chip.material, prices_of(found.scenario, found.system)
    rate, power_w = values.get("throughput_tokens_per_s"), values.get("facility_power_w")
    if not is_asked(material, prices) or not rate or not power_w:
        return {}
    chip_s = found.plan.chips * MILLION / rate
    told = taken(material, prices, chip_s, chip_s * power_w)
    return {f"{name}_per_million_tokens": value for name, value in told.items()}
