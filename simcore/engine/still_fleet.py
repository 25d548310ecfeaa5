"""Which fleets nothing changes while they serve, and how `simcore.engine.still` is asked to serve them."""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.engine.feedback import Clients
from simcore.engine.fleet_plan import FleetPlan, Transfer
from simcore.engine.fleet_records import FleetRecords
from simcore.engine.serving import ServingRun
from simcore.engine.settings import ReplicaSettings

NO_LINK = Transfer(0.0, 1.0)


def is_still(plan: FleetPlan, clients: Clients | None) -> bool:
    """Whether no failure, scaling, role, clock or late start changes the fleet, and no scheduler that orders its queue
    by arrivals must be asked again when a closed loop sends. Without hand-overs in an open loop replicas run ahead of
    each other, which is faster still."""
    if clients is None and all(pool.role == "both" and pool.ranks == 1 for pool in plan.pools):
        return False
    changes = plan.failures or plan.autoscale or plan.roles or plan.clocking
    if changes or any(pool.started is not None for pool in plan.pools):
        return False
    return clients is None or not any(_orders(pool.settings) for pool in plan.pools)


def _orders(settings: ReplicaSettings) -> bool:
    from simcore.policy.scheduler import rank_of

    return bool(settings.rank) or rank_of(settings.scheduler) is not None


def serve_still_fleet(fleet: FleetRecords, clients: Clients | None) -> ServingRun:
    """Serve the fleet's trace, open loop or as `clients` take its requests in order."""
    from simcore.engine.still import EVENT, FLOW, serve_still
    from simcore.engine.together import Together
    from simcore.policy.router import routers

    plan, requests = fleet.plan, fleet.requests
    together = Together([fleet.pools[number].settings.scheduler for number in fleet.pool_of])
    link = plan.transfer or NO_LINK
    flow: Any = np.zeros(1, FLOW)
    flow["entries"], flow["differs"] = fleet.entry_count, int(fleet.decode_room.differs)
    flow["sends_late"] = int(plan.first_token == "decode")
    if clients is not None:
        flow["users"], flow["think_s"] = clients.users, clients.think_s
    flow["token_bytes"] = link.bytes_per_token * (1.0 - link.overlap_ratio)
    flow["bytes_per_s"], flow["latency_s"] = link.bytes_per_s, link.latency_s
    never = fleet.decode_room.never if fleet.entry_count < len(fleet.records) else np.zeros(len(requests), np.bool_)
    serve_still(
        *together.shared(fleet),
        fleet.log,
        routers(plan.router),
        routers(plan.decode_router),
        np.zeros(len(requests), EVENT),
        flow,
        np.zeros(link.channels),
        never,
    )
    return fleet.result()
