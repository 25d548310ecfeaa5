"""Names in a scenario that no table lists: every policy it names is a file of ours or one's own, whichever verb reads
it."""

from __future__ import annotations

from collections.abc import Iterator

from simcore.errors import said_in
from simcore.registry import PluginRegistry
from simcore.spec.policy_part import PolicyPart
from simcore.spec.scenario import Scenario

Named = tuple[str, PluginRegistry, str]


def check_names(scenario: Scenario) -> None:
    """Raises UnknownName, with file and key, for a policy that is not there."""
    for key, registry, name in named(scenario):
        with said_in(scenario.file, key):
            registry.file_of(name)


def named(scenario: Scenario) -> Iterator[Named]:
    """(key, where its names are found, name) of every policy that the scenario itself names."""
    yield from of_policy(scenario.policy, "policy")
    for at, model in enumerate(scenario.models):
        if model.policy is not None:
            yield from of_policy(model.policy, f"models.{at}.policy")
    if scenario.power is not None and "policy" in scenario.power.model_fields_set:
        from simcore.policy.power import power_policies

        yield "power.policy", power_policies, scenario.power.policy
    schedule = (scenario.training or {}).get("schedule")
    if isinstance(schedule, str):
        from simcore.engine.training.schedules import schedules

        yield "training.schedule", schedules, schedule
    yield from of_fleet(scenario)


def of_fleet(scenario: Scenario) -> Iterator[Named]:
    """Those of [fleet]."""
    fleet = scenario.fleet
    if fleet is None:
        return
    for at, pool in enumerate(fleet.pools):
        if pool.policy is not None:
            yield from of_policy(pool.policy, f"fleet.pools.{at}.policy")
    if "decode_router" in fleet.model_fields_set:
        from simcore.policy.router import routers

        yield "fleet.decode_router", routers, fleet.decode_router
    if fleet.roles is not None and "policy" in fleet.roles.model_fields_set:
        from simcore.policy.roles import role_policies

        yield "fleet.roles.policy", role_policies, fleet.roles.policy


def of_policy(policy: PolicyPart, key: str) -> Iterator[Named]:
    """Those of a [policy]; what is left out has a name of ours."""
    said = policy.model_fields_set
    if "scheduler" in said and policy.scheduler is not None:
        from simcore.policy.scheduler import schedulers

        yield f"{key}.scheduler", schedulers, policy.scheduler
    if "router" in said:
        from simcore.policy.router import routers

        yield f"{key}.router", routers, policy.router
    if "evict" in said:
        from simcore.policy.cache import evictions

        yield f"{key}.evict", evictions, policy.evict
    if "offload" in said:
        from simcore.policy.offload import offloads

        yield f"{key}.offload", offloads, policy.offload
