"""A scenario as the analytic engine's question: lengths as a summary, the load as a batch per replica."""

from __future__ import annotations

from dataclasses import replace

from scenarios.prices import prices_of, rented
from scenarios.resolved import Resolved, resolve
from scenarios.traffic import demand_of, loop_of, needed
from simcore.errors import InputError
from simcore.spec.case import Case
from simcore.spec.scenario import Scenario

UNHONOURED = ("fleet", "power", "attention_ffn", "steps")
"""parts that the analytic engine refuses by name"""


def case_of(scenario: Scenario) -> tuple[Case, Resolved]:
    """(the question, what its names stand for). A rate stands for batch 1: see `planners.load`. Raises InputError."""
    for part in UNHONOURED:
        if getattr(scenario, part) is not None:
            what = f"the analytic engine does not know [{part}]"
            raise InputError(what, file=scenario.file, key=part, fix="simulate it, or leave it out")
    for key, is_so in (
        ("effects", scenario.policy.effects != "server"),
        ("draft_tokens", scenario.policy.draft_tokens),
        ("communication_overlap_ratio", scenario.policy.communication_overlap_ratio),
    ):
        if is_so:
            what = f"the analytic engine does not know {key} = {getattr(scenario.policy, key)!r}"
            raise InputError(what, file=scenario.file, key=f"policy.{key}", fix="simulate it, or leave it out")
    found = resolve(scenario)
    found = replace(found, notes=(*found.notes, *unread(scenario)))
    return resolved_case(found), found


def unread(scenario: Scenario) -> tuple[str, ...]:
    """What the scenario says and a steady state does not show, in words."""
    slo, told = scenario.slo, []
    if scenario.policy.prefix_cache:
        told.append("policy.prefix_cache moves nothing here: every prompt is computed whole (simulate shows the cache)")
    bounds = {"e2e": slo.e2e_s, "itl_p99": slo.itl_p99_s, "queue_p50": slo.queue_p50_s, "classes": slo.classes}
    named = [f"slo.{name}" for name, bound in bounds.items() if bound]
    if named:
        told.append(f"{', '.join(named)}: bounds of single requests, which only simulate and capacity judge")
    return tuple(told)


def resolved_case(found: Resolved) -> Case:
    """The question of a scenario whose names are known."""
    scenario, traffic = found.scenario, needed(found.scenario)
    batch, waves = traffic.batch or 1, 0.0
    loop = loop_of(scenario)
    if loop is not None:
        batch, waves = max(1, round(loop[0] / found.plan.dp)), loop[1]
    return Case(
        model=found.model,
        system=rented(scenario, found.system),
        plan=found.plan,
        policy=found.serving_policy,
        demand=demand_of(scenario),
        economics=prices_of(scenario, found.system),
        batch=batch,
        stack=found.release.stack,
        served=found.served,
        expert_stack=scenario.policy.expert_kernels,
        waves=waves,
        quantile=scenario.slo.quantile,
        seed=scenario.seed,
    )
