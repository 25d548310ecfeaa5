"""Step times by name: a model on a chip under a stack, from the shared cost models."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

KEPT = 256
_KNOWN: OrderedDict[tuple[str, ...], Any] = OrderedDict()


def operator_step_times(model: Any, chip: Any, engine: dict[str, Any]) -> Any:
    """Step times from the calibrated operators of the chip under vLLM, from the data sheet where it has none."""
    from simcore.cost.flash_attention import ARCHITECTURES, flash_attention_2
    from simcore.spec.plan import ParallelPlan

    plan = ParallelPlan(tp=int(engine.get("tensor_parallel_size") or 1))
    times = scenario_step_times(model, chip, plan, stacks_of(chip.name))
    mixer = model.layers[0].mixer
    if chip.architecture not in ARCHITECTURES or mixer.kind != "attention":
        return times
    return flash_attention_2(times, mixer.heads / mixer.kv_heads)


def stacks_of(chip: str) -> str:
    """`vllm` where the chip has operator tables of its own for it, else `datasheet`."""
    from hardware_specs.calibrations import measured_stacks

    return "vllm" if "vllm" in measured_stacks(chip) else "datasheet"


def scenario_step_times(model: Any, chip: Any, plan: Any, stack: str, policy: Any = None, system: Any = None) -> Any:
    """Step times of a model under a plan on a chip, in its usual home unless a system is given."""
    import hardware_specs
    from planners.evaluate import plan_columns
    from simcore import api
    from simcore.cost.machine import machine_of
    from simcore.engine.step import Physics
    from simcore.engine.step_source import physics_step_times
    from simcore.spec.policy import ServingPolicy

    policy = policy or ServingPolicy()
    weights, experts, activations, _ = plan.formats()
    machine = machine_of(system or hardware_specs.system(chip.name), weights, experts, activations, policy)
    physics = Physics(model, machine, api.cost_model(chip.name, stack), policy.imbalance_ratio)
    return physics_step_times(physics, plan_columns(plan, {}), policy.graphs, source=f"{chip.name}, {stack}")


def kept_step_times(model: Any, plan: Any, stack: str, policy: Any, system: Any) -> Any:
    """`scenario_step_times`, kept by value: scheduler, limits, traffic and the number of replicas do not enter them."""
    one = plan.replace(dp=1)
    key = (*(spec.model_dump_json() for spec in (model, system, one, policy)), stack)
    if key not in _KNOWN:
        _KNOWN[key] = scenario_step_times(model, system.chip, one, stack, policy, system)
    _KNOWN.move_to_end(key)
    if len(_KNOWN) > KEPT:
        _KNOWN.popitem(last=False)
    return _KNOWN[key]
