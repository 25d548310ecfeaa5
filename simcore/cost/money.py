"""Money: dollars per second of a deployment and per million tokens."""

from __future__ import annotations

import numpy as np

from simcore.cost.machine import Machine
from simcore.ops.op import Column
from simcore.spec.economics import Economics
from simcore.units import SECONDS_PER_HOUR

JOULES_PER_KWH = 3.6e6


def usd_per_s(machine: Machine, economics: Economics, chips: Column, power_w: Column) -> Column:
    """Dollars per second of `chips` chips drawing `power_w` in total at the board; NaN where the price is unknown.

    rental    chips x rental per hour / 3600, electricity included in the rent
    purchase  chips x price (1 + overhead) / (lifetime x utilisation) + power x PUE x tariff
    """
    if economics.basis == "rental":
        return chips * machine.rental_usd_per_hour / SECONDS_PER_HOUR
    written_off = machine.purchase_usd * (1 + economics.overhead_ratio)
    hardware = chips * written_off / (economics.lifetime_s * economics.utilisation_ratio)
    return hardware + energy_usd(economics, power_w)


def energy_usd(economics: Economics, server_j: Column) -> Column:
    """Dollars of joules that servers draw (or per second, of watts): energy x PUE x tariff."""
    return server_j * economics.pue_ratio * economics.electricity_usd_per_kwh / JOULES_PER_KWH


def usd_per_million_tokens(spent_usd_per_s: Column, tokens_per_s: Column) -> Column:
    """Dollars per million tokens; infinite at no throughput."""
    with np.errstate(divide="ignore"):
        return 1e6 * spent_usd_per_s / np.asarray(tokens_per_s)
