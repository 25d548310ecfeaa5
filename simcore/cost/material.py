"""Carbon and material of work: what the grid emits, and the part of a chip's life that the work takes.

    chips used up = chips x time / (lifetime x utilisation)
    carbon        = facility energy x grid + chips used up x embodied
    material      = chips used up x masses

Sources: the GHG protocol's split into use and manufacture; for the life of chips as a resource arXiv 2512.04142. Hosts,
racks and buildings are left out of the manufacture.
"""

from __future__ import annotations

from typing import Any

from simcore.spec.economics import Economics
from simcore.spec.hardware import Material

JOULES_PER_KWH = 3.6e6


def taken(material: Material, economics: Economics, chip_s: float, facility_j: float) -> dict[str, Any]:
    """Of work that keeps chips for `chip_s` chip-seconds and draws `facility_j` at the meter: chips_used, carbon_kg
    where the grid's is known, material_kg by name where masses are."""
    used = chip_s / (economics.lifetime_s * economics.utilisation_ratio)
    found: dict[str, Any] = {"chips_used": used}
    if economics.carbon_kg_per_kwh is not None:
        made = used * (material.embodied_kg or 0.0)
        found["carbon_kg"] = facility_j / JOULES_PER_KWH * economics.carbon_kg_per_kwh + made
    if material.masses_kg:
        found["material_kg"] = {name: used * mass for name, mass in material.masses_kg.items()}
    return found


def is_asked(material: Material, economics: Economics) -> bool:
    """Whether anybody said what the grid emits or what is in a chip."""
    return economics.carbon_kg_per_kwh is not None or bool(material.masses_kg) or material.embodied_kg is not None
