"""Memory of a scenario's replica: the KV pool that its plan, stack and policy leave."""

from __future__ import annotations

from typing import Any

from simcore.engine.kv_pool import KvPool, pool_of


def loading(scenario: Any, model: Any) -> tuple[str | None, tuple[str, ...]]:
    """(why the stack refuses the plan, what a reader should know where it does not)."""
    import hardware_specs
    from simcore.cost.loading import in_words, objections
    from simcore.ops.op import plan_columns

    found = objections(model, plan_columns(scenario.plan, {}), scenario.plan.formats()[:2])
    return in_words(found, hardware_specs.stack(scenario.hardware.stack).loader, scenario.hardware.stack)


def too_long(scenario: Any, trace: Any) -> tuple[str, ...]:
    """A note on requests that exceed the model's context, which servers refuse and the engine serves."""
    import numpy as np

    import workloads

    most = None if scenario.model is None else workloads.model(scenario.model.name).max_context_tokens
    count = 0 if most is None else int(np.sum(trace.input_tokens + trace.output_tokens > most))
    return (f"{count} of {len(trace)} requests exceed the {most:,} tokens of the model's context",) if count else ()


def load_of(policy: Any) -> Any:
    """The load that memory is kept for: the policy's limits where given, else the stack's."""
    from simcore.cost.memory import Load

    sampled = float(policy.max_running) if "max_running" in policy.model_fields_set else None
    return Load(step_tokens=float(policy.token_budget), sampled=sampled, block_tokens=policy.block_tokens)


def home_of(chip: Any, stack: str, policy: Any) -> Any:
    """One chip's main tier under a stack."""
    import hardware_specs
    from simcore.cost.memory import Home

    tier, rules = chip.memory[chip.main_tier], hardware_specs.stack(stack).memory
    return Home(tier.reported_bytes, rules, policy.memory_fraction, chip.reserve_bytes)


def kv_pool(scenario: Any, model: Any, system: Any) -> KvPool:
    """What the scenario's plan leaves for KV on the fullest stage."""
    from simcore.cost.memory import footprint
    from simcore.ops.op import plan_columns

    plan, chip = plan_columns(scenario.plan, {}), system.chip
    found = footprint(model, plan, load_of(scenario.policy), home_of(chip, scenario.hardware.stack, scenario.policy))
    return pool_of(found, chip.main_tier)
