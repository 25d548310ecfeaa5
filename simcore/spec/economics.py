"""What hardware, power and time cost; every default has a source and every value can be set."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from simcore.errors import InputError, said_in
from simcore.spec.base import Sourced
from simcore.spec.load import build
from simcore.units import KgPerKwh, Seconds, UsdPerKwh


class Economics(Sourced):
    """Prices that turn seconds and joules into money."""

    basis: Literal["rental", "purchase"] = "rental"
    """rental: pay per chip-hour, power included; purchase: hardware written off over `lifetime`, power on top"""
    electricity_usd_per_kwh: UsdPerKwh = Field(alias="electricity")
    """price of energy at the meter, paid where hardware is bought (`basis`)"""
    pue_ratio: float = Field(ge=1)
    """power of the whole facility over that of its servers (PUE)"""
    lifetime_s: Seconds = Field(alias="lifetime")
    """of bought hardware, over which its price and what its making emitted are spread"""
    utilisation_ratio: float = Field(gt=0, le=1)
    """share of its life that bought hardware earns"""
    overhead_ratio: float = Field(default=0.0, ge=0)
    """network, racks and staff on top of the purchase price"""
    carbon_kg_per_kwh: KgPerKwh | None = Field(default=None, alias="carbon")
    """CO2 equivalent of the grid; None: no carbon is told"""

    def changed(self, changes: dict[str, Any], where: str) -> Economics:
        """The prices with some of them set by the user, keys and quantities as in a file. Raises InputError."""
        if not changes:
            return self
        for key in ("name", "aliases", "sources", "citations", "schema", "extends"):
            if key in changes:
                raise InputError(
                    "unknown key", file=where, key=f"economics.{key}", fix="set single prices, e.g. pue_ratio"
                )
        plain = self.model_dump(exclude={"citations", "sources"}, by_alias=True, exclude_none=True)
        with said_in(where, "economics", {*changes, *plain}):
            found = build(Economics, {**plain, **changes}, where)
        return found.replace(sources=self.sources, citations=self.citations)
