"""What a deployment costs by the hour and by the joule: the same prices for every engine."""

from __future__ import annotations

import numpy as np

import hardware_specs
from scenarios.resolved import Resolved
from simcore.cost.machine import machine_of
from simcore.cost.money import energy_usd, usd_per_s
from simcore.spec.economics import Economics
from simcore.spec.scenario import Scenario
from simcore.spec.system import System
from simcore.units import SECONDS_PER_HOUR

RENT = "usd_per_hour"
"""of [economics]: what one chip is rented for; the other keys are those of `Economics`"""


def prices_of(scenario: Scenario, system: System | None = None) -> Economics:
    """Prices of time and power: the scenario's, the cluster's own PUE, else the defaults. Raises InputError."""
    stated = {key: value for key, value in scenario.economics.items() if key != RENT}
    cluster = None if system is None else system.cluster
    own = {} if cluster is None or cluster.pue_ratio is None else {"pue_ratio": cluster.pue_ratio}
    return hardware_specs.economics("default").changed({**own, **stated}, scenario.file)


def rented(scenario: Scenario, system: System) -> System:
    """The system, its chip rented at the scenario's price if it states one."""
    price = scenario.economics.get(RENT)
    if price is None:
        return system
    chip = system.chip
    return system.replace(chip=chip.replace(money=chip.money.replace(rental_usd_per_hour=float(price))))


def hourly_usd(found: Resolved) -> float | None:
    """USD per hour of a replica: its chips and their share of the node, rented or written off, without the power that
    bought ones draw (`power_usd`); None where the price is not known."""
    weights, experts, activations, kv = found.plan.formats()
    machine = machine_of(rented(found.scenario, found.system), weights, experts, activations, found.serving_policy, kv)
    prices = prices_of(found.scenario, found.system)
    usd = float(np.max(usd_per_s(machine, prices, float(found.plan.replica_chips), 0.0))) * SECONDS_PER_HOUR
    return None if np.isnan(usd) else usd


def power_usd(found: Resolved, server_j: float) -> float:
    """USD of energy that servers draw; a rent includes it."""
    prices = prices_of(found.scenario, found.system)
    return 0.0 if prices.basis == "rental" else float(np.max(energy_usd(prices, server_j)))
