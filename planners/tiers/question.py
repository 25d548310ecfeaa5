"""A scenario as a problem of placement: a decode step of its batch on one chip of the fullest stage.

Classes are the weights, routed experts apart, and the KV of the batch; every step reads all of each (experts too: one
layer ahead nobody knows which are asked for) and writes one token's KV. Tiers are the main one, with what the stack's
rule leaves of it for these classes, and all others that chip and node have.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planners.tiers.problem import Tensors, Tier, TierProblem
from scenarios.estimate import resolved_case
from scenarios.memory import home_of, load_of
from scenarios.resolved import Resolved, resolve
from simcore.cost import storage
from simcore.cost.memory import Footprint, footprint
from simcore.engine.phases import decode_step
from simcore.errors import InputError
from simcore.spec.demand import Demand
from simcore.spec.scenario import Scenario
from simcore.spec.system import System
from simcore.step.totals import step_total


def question(scenario: Scenario) -> TierProblem:
    """The problem of a scenario with one batch. Raises InputError for one that places tensors itself."""
    if scenario.residency:
        fix = "leave it out: the planner says it"
        raise InputError("is what is asked for", file=scenario.file, key="residency", fix=fix)
    found = resolve(scenario).checked()
    case = resolved_case(found)
    lane = float(np.ceil(case.batch / case.plan.attention_dp))
    step = decode_step(lane, case.demand)
    own_s = float(np.max(step_total(found.physics(), found.columns, step, found.scenario.policy.graphs).time_s))
    context = case.demand.input.mean_tokens + case.demand.output.mean_tokens
    load = replace(load_of(found.scenario.policy, context), sequences=lane)
    held = footprint(found.model, found.columns, load, home_of(found))
    layers, tiers = found.model.layer_count, tiers_of(found, held)
    links = {tier.link: _link(found.system, tier.name) for tier in tiers if tier.link is not None}
    per_stage = int(np.ceil(layers / case.plan.pp))
    classes = classes_of(held, case.demand, context)
    return TierProblem(per_stage, own_s / layers, classes, tiers, tuple(links.items()))


def classes_of(held: Footprint, demand: Demand, context_tokens: float) -> tuple[Tensors, ...]:
    """Weights, experts and KV of a chip; classes that hold nothing are left out."""
    experts, weights = float(np.max(held.experts_bytes)), float(np.max(held.weights_bytes))
    kv = float(np.max(held.kv_bytes))
    read = kv * min(demand.decode_context_tokens / context_tokens, 1.0)
    found = (
        Tensors("weights", weights - experts, weights - experts),
        Tensors("experts", experts, experts),
        Tensors("kv", kv, read, kv / context_tokens),
    )
    return tuple(one for one in found if one.held_bytes > 0)


def tiers_of(found: Resolved, held: Footprint) -> tuple[Tier, ...]:
    """The main tier first, then the others, per chip."""
    system, chip = found.system, found.system.chip
    room = float(np.max(held.have_bytes - held.resident_bytes + held.weights_bytes))
    names = [name for name, tier in chip.memory.items() if name != chip.main_tier and tier.kind != "sram"]
    names += list(system.node.memory) if system.node else []
    return (Tier(chip.main_tier, max(room, 1.0)), *(_tier(system, name) for name in names))


def _tier(system: System, name: str) -> Tier:
    link = system.tier(name)[0].link
    return Tier(
        name,
        storage.tier_bytes(system, name),
        storage.own_read_bytes_per_s(system, name),
        storage.own_write_bytes_per_s(system, name),
        storage.tier_latency_s(system, name),
        link if link is not None and np.isfinite(_link(system, name)) else None,
    )


def _link(system: System, name: str) -> float:
    return storage.link_bytes_per_s(system, name)
