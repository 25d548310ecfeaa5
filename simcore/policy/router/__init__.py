"""Routers: which replica a request goes to; one file each, `route(replicas, requests, number, hashes, caches)`.

A router module also says `LOOKS`: whether it reads the replicas' load, so that they must be brought up to date first.
"""

from __future__ import annotations

from typing import Any

from numba import int64, types

from simcore.cost.jit import compiled, from_dtype
from simcore.policy.records import BLOCK, REPLICA, REQUEST
from simcore.registry import GROUPS, PluginRegistry

REPLICAS_TYPE = types.Array(from_dtype(REPLICA), 1, "C")
ROUTE_SIGNATURE = int64(
    REPLICAS_TYPE,
    types.Array(from_dtype(REQUEST), 1, "C"),
    int64,
    types.Array(types.int32, 1, "C"),
    types.Array(from_dtype(BLOCK), 1, "C"),
)
ROUTE_TYPE = types.FunctionType(ROUTE_SIGNATURE)
routers = PluginRegistry("router", "simcore.policy.router", "route", GROUPS["router"])
router_looks = PluginRegistry("router", "simcore.policy.router", "LOOKS", GROUPS["router"])


def policy(function: Any) -> Any:
    """Compile a router with the one signature that the engine calls."""
    return compiled(function, ROUTE_SIGNATURE)
