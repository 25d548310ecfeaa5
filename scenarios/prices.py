"""What a deployment costs by the hour and by the joule: the same prices for every engine."""

from __future__ import annotations

import numpy as np

from scenarios.estimate import priced, prices_of
from scenarios.resolved import Resolved
from simcore.cost.machine import machine_of
from simcore.cost.money import JOULES_PER_KWH, usd_per_s
from simcore.units import SECONDS_PER_HOUR


def hourly_usd(found: Resolved) -> float | None:
    """USD per hour of a replica: its chips and their share of the node, rented or written off, without the power that
    bought ones draw (`power_usd`); None where the price is not known."""
    weights, experts, activations, kv = found.plan.formats()
    machine = machine_of(priced(found), weights, experts, activations, found.serving_policy, kv)
    usd = float(np.max(usd_per_s(machine, prices_of(found), float(found.plan.replica_chips), 0.0))) * SECONDS_PER_HOUR
    return None if np.isnan(usd) else usd


def power_usd(found: Resolved, server_j: float) -> float:
    """USD of energy that servers draw; a rent includes it."""
    prices = prices_of(found)
    if prices.basis == "rental":
        return 0.0
    return server_j * prices.pue_ratio * prices.electricity_usd_per_kwh / JOULES_PER_KWH
