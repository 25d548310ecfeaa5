"""Where the compiled function of a scheduler or router lies, by name; a kept library spares its module and numba."""

from __future__ import annotations

from typing import Any

from simcore.cost.libraries import find
from simcore.policy.router import routers
from simcore.policy.scheduler import schedulers
from simcore.registry import PluginRegistry, normal

Addresses = tuple[int, ...]
_KNOWN: dict[tuple[str, str], tuple[Addresses, Any]] = {}
"""(kind, name) -> (addresses, what must stay alive for it), of shipped ones"""


def scheduler_address(name: str) -> Addresses:
    """The C function, and the one behind it, of `compose`. Raises UnknownName, InputError."""
    return _address(schedulers, name)


def router_address(name: str) -> Addresses:
    """The C function, and the one behind it, of `route`. Raises UnknownName, InputError."""
    return _address(routers, name)


def _address(registry: PluginRegistry, name: str) -> Addresses:
    place, file = (registry.kind, normal(name)), registry.file_of(name)
    if file is None:
        return _compiled(registry, name)[0]
    if place not in _KNOWN:
        found = find(file, registry.attribute)
        _KNOWN[place] = _compiled(registry, name) if found is None else (found, None)
    return _KNOWN[place][0]


def _compiled(registry: PluginRegistry, name: str) -> tuple[Addresses, Any]:
    from simcore.cost.jit import addresses_of
    from simcore.policy.router._verbs import ROUTE_SIGNATURE
    from simcore.policy.scheduler._verbs import COMPOSE_SIGNATURE

    made = registry(name)
    return addresses_of(made, ROUTE_SIGNATURE if registry.kind == "router" else COMPOSE_SIGNATURE), made
