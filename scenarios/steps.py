"""Step times of a scenario: given in it, or of its model on its hardware under its stack."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

from hardware_specs import shelves
from scenarios.resolved import Resolved
from simcore.errors import InputError
from simcore.kept.values import keep_value, kept_value, state_of, text_of
from simcore.registry import GROUPS, own_names
from simcore.spec.policy_part import PolicyPart
from simcore.spec.scenario import Scenario, StepsPart
from simcore.step.sample import RawSteps, raw_steps, served_steps
from simcore.step.served import Work
from simcore.step.times import Axis, SampledSteps, StepParts, StepTimes, Table

KEPT = 256
_KNOWN: OrderedDict[tuple[str, ...], RawSteps] = OrderedDict()


def with_policy(times: StepTimes, policy: PolicyPart) -> StepTimes:
    """Step times with the policy's own host time and overlap."""
    return replace(
        times,
        host_pure_s=times.host_pure_s + policy.host_s,
        host_mixed_s=times.host_mixed_s + policy.host_s,
        communication_overlap_ratio=policy.communication_overlap_ratio,
    )


def given_steps(scenario: Scenario) -> StepTimes:
    """Step times from a table in the scenario or from a profile on disk."""
    steps, here = scenario.steps, Path(scenario.file).parent
    assert steps is not None
    if steps.profile == "table":
        times = table_steps(steps)
    elif steps.profile == "vidur":
        from simcore.calibration.importers.vidur import vidur_step_times

        if not steps.mlp or not steps.attention:
            raise InputError("needs mlp and attention", file=scenario.file, key="steps")
        times = vidur_step_times(here / steps.mlp, here / steps.attention, steps.layers, scenario.plan.tp)
    else:
        from simcore.calibration.importers.layer_profile import Shape, layer_step_times

        if not steps.folder:
            raise InputError("needs folder", file=scenario.file, key="steps")
        times = layer_step_times(here / steps.folder, Shape(steps.layers))
    return with_policy(times, scenario.policy)


def table_steps(steps: StepsPart) -> StepTimes:
    """The linear law of a `table` profile, on the lattice."""
    from simcore.step.served import Work
    from simcore.step.times import SampleRange, StepParts, StepSample, sample_step_times

    def evaluate(sample: StepSample) -> StepParts:
        tokens = sample.chunk_tokens + sample.decodes
        attention = sample.decodes * sample.kv_tokens * steps.kv_token_s
        attention = (
            attention + sample.chunk_tokens * (sample.past_tokens + sample.chunk_tokens / 2) * steps.past_token_s
        )
        dense = Work(elementwise=steps.step_s + tokens * steps.token_s)
        return StepParts(dense, attention, 0.0 * tokens, 0.0 * tokens)

    return sample_step_times(evaluate, SampleRange(), source="table of the scenario")


def hardware_steps(resolved: Resolved, clock_ratio: float = 1.0) -> StepTimes:
    """Step times of a deployment, with what its server adds."""
    times = served_steps(kept_steps(resolved, clock_ratio), resolved.served)
    if resolved.scenario.policy.effects == "kernels":
        from simcore.step.effects.attention import with_attention

        times = with_attention(times, resolved.model, resolved.system.chip, resolved.plan)
    return with_policy(times, resolved.scenario.policy)


def clocked_steps(resolved: Resolved) -> tuple[StepTimes, ...]:
    """Step times at the lower clocks of the scenario's power policy, if it has one."""
    power = resolved.scenario.power
    return () if power is None else tuple(hardware_steps(resolved, ratio) for ratio in power.clock_ratios[1:])


def kept_steps(resolved: Resolved, clock_ratio: float = 1.0) -> RawSteps:
    """Sampled steps, kept by value: scheduler, limits, traffic and the number of replicas do not enter them, nor does
    what the server adds."""
    plan, policy = resolved.plan.replace(dp=1), resolved.serving_policy
    specs = (resolved.model, resolved.system, plan, policy.replace(token_budget=1, max_running=None))
    stacks = (
        resolved.stack.kernels,
        resolved.stack.effects,
        str(resolved.scenario.policy.expert_kernels),
        str(clock_ratio),
        resolved.scenario.policy.effects,
        shelves.state(),
    )
    key = (*(text_of(spec) for spec in specs), *stacks)
    if key not in _KNOWN:
        _KNOWN[key] = _on_disk(resolved, clock_ratio, key)
    _KNOWN.move_to_end(key)
    if len(_KNOWN) > KEPT:
        _KNOWN.popitem(last=False)
    return _KNOWN[key]


PARTS = (RawSteps, SampledSteps, StepTimes, Table, Axis, StepParts, Work)
"""what kept tables are made of"""


def _on_disk(resolved: Resolved, clock_ratio: float, key: tuple[str, ...]) -> RawSteps:
    """The tables from an earlier process, where all code and data that they follow from are as they were."""
    graphs, physics = resolved.serving_policy.graphs, resolved.physics(clock_ratio)
    source = f"{resolved.system.chip.name}, {resolved.release.name}"
    if any(own_names(GROUPS[kind]) for kind in ("block", "cost model")):
        return raw_steps(physics, resolved.columns, graphs, source=source)
    whole = "\n".join((*key, source, text_of(resolved.stack), state_of("simcore", "scenarios", "hardware_specs")))
    kept = kept_value("steps", whole, PARTS)
    if isinstance(kept, RawSteps):
        return replace(kept, physics=physics)
    made = raw_steps(physics, resolved.columns, graphs, source=source)
    keep_value("steps", whole, replace(made, physics=None))  # type: ignore[arg-type]
    return made
