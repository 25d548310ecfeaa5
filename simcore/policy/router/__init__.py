"""Routers: which replica a request goes to; one file each, `route(replicas, requests, number, hashes, caches)`.

A router module also says `LOOKS`: whether it reads the replicas' load, so that they must be brought up to date first.
It is compiled by `policy` of this package.
"""

from __future__ import annotations

from typing import Any

from simcore.registry import GROUPS, PluginRegistry

routers = PluginRegistry("router", "simcore.policy.router", "route", GROUPS["router"])


def router_looks(name: str) -> bool:
    """Whether the router of that name reads the replicas' load. Raises UnknownName."""
    from simcore.cost.sources import literal

    file = routers.file_of(name)
    try:
        found = routers.part(name, "LOOKS") if file is None else literal(file, "LOOKS")
    except LookupError:
        found = routers.part(name, "LOOKS")
    return bool(found)


def __getattr__(name: str) -> Any:
    """`policy` and the types: with numba, which whoever only asks for a name does without."""
    if name not in ("REPLICAS_TYPE", "ROUTE_SIGNATURE", "ROUTE_TYPE", "policy"):
        raise AttributeError(name)
    from simcore.policy.router import _verbs

    return getattr(_verbs, name)
