"""Step times for replays of recorded runs: operators under vLLM, with what tables do not hold of its attention."""

from __future__ import annotations

from dataclasses import replace
from typing import Any


def operator_step_times(model: Any, chip: Any, engine: dict[str, Any]) -> Any:
    """Step times from the calibrated operators of the chip under vLLM, from the data sheet where it has none.

    Of softmax attention: the KV cold in the cache, and FlashAttention-2 where vLLM uses it. `SharedSteps` for ranks
    that share experts.
    """
    from scenarios.homes import joined
    from scenarios.stacks import default_stack
    from simcore.calibration.vllm_engine import graph_sizes, kv_format, ranks_of, weight_format
    from simcore.engine.ranks import split_experts
    from simcore.spec.plan import ParallelPlan
    from simcore.step.sample import SMALL_KERNEL_S, physics_step_times

    ranks = ranks_of(engine, model)
    plan = ParallelPlan(
        tp=ranks.tp,
        attention_dp=ranks.dp if ranks.lockstep else 1,
        ep=ranks.expert_ranks if ranks.expert_parallel else 1,
        weights=weight_format(engine),
        kv=kv_format(engine),
    )
    system, stack = joined(chip, ranks.tp * ranks.dp), default_stack(chip)
    physics, columns = scenario_physics(model, chip, plan, stack, system)
    physics = replace(physics, small_kernel_s=SMALL_KERNEL_S)
    times = with_attention(physics_step_times(physics, columns, source=f"{chip.name}, {stack}"), model, chip, plan)
    if not ranks.lockstep:
        return times
    return split_experts(times, physics, columns, max(graph_sizes(engine), default=0))


def with_attention(times: Any, model: Any, chip: Any, plan: Any) -> Any:
    """`times` with what operator tables do not hold of softmax attention."""
    from simcore.cost.facts import chip_facts
    from simcore.spec.formats import number_format
    from simcore.step.effects.cold_cache import Cache, with_cold_cache
    from simcore.step.effects.flash_attention import flash_attention_2

    mixer, facts = model.layers[0].mixer, chip_facts(chip)
    if mixer.kind != "attention":
        return times
    cached = facts.l2_bytes / (2.0 * mixer.head_dim * number_format(plan.kv).bytes_per_element)
    own_heads = max(1.0, mixer.kv_heads / plan.tp)
    if cached:
        ratio = facts.memory_bytes_per_s / facts.l2_bytes_per_s
        times = with_cold_cache(times, Cache(cached / own_heads, ratio, 2.0 * facts.sm_count / own_heads))
    kernel = paged_kernel(model, chip, plan.tp, cached)
    return times if kernel is None else flash_attention_2(times, kernel)


def paged_kernel(model: Any, chip: Any, tp: int, cached_tokens: float) -> Any:
    """FlashAttention-2 on this chip; None where vLLM uses another kernel, or where layers differ or have a window."""
    from simcore.step.effects.flash_attention import ARCHITECTURES, Kernel, tile_token_s

    mixers = {group.mixer for group in model.layers}
    mixer, unit = model.layers[0].mixer, chip.compute[chip.main_unit]
    if chip.architecture not in ARCHITECTURES or len(mixers) > 1 or mixer.span_tokens or not unit.clock_hz:
        return None
    peak = unit.peak_flop_per_s["bf16"]
    token_s = model.layer_count * tile_token_s(mixer.head_dim, peak, unit.count, unit.clock_hz)
    return Kernel(mixer.heads / tp, mixer.heads / mixer.kv_heads, float(unit.count), cached_tokens, token_s)


def scenario_physics(model: Any, chip: Any, plan: Any, stack: str, system: Any = None) -> tuple[Any, Any]:
    """(physics of the operators alone, plan columns) of a model under a plan on a chip."""
    import hardware_specs
    from scenarios.stacks import cost_model
    from simcore.cost.machine import machine_of
    from simcore.ops.op import plan_columns
    from simcore.step.price import Physics

    weights, experts, activations, kv = plan.formats()
    machine = machine_of(system or hardware_specs.system(chip.name), weights, experts, activations, None, kv)
    return Physics(model, machine, cost_model(chip.name, stack)), plan_columns(plan)


def scenario_step_times(model: Any, chip: Any, plan: Any, stack: str, system: Any = None) -> Any:
    """Step times of the operators alone."""
    from simcore.step.sample import physics_step_times

    physics, columns = scenario_physics(model, chip, plan, stack, system)
    return physics_step_times(physics, columns, source=f"{chip.name}, {stack}")
