"""A scenario with its names looked up, its formats and its stack's defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from scenarios.beside import check_overlap
from scenarios.fields import changed, quantity, read
from scenarios.formats import format_named
from scenarios.homes import host_link, linked, several
from scenarios.layers import with_layers
from scenarios.names import resolve as look_up
from scenarios.stacks import Release, cost_model, default_stack, documented, release, served
from simcore.cost.collectives import AUTO, algorithms
from simcore.cost.facts import chip_facts
from simcore.cost.loading import in_words, objections
from simcore.cost.machine import half_peak
from simcore.errors import InputError, said_in, suggest
from simcore.kept.lazy import dataclass
from simcore.ops.layer_formats import named
from simcore.ops.op import PlanColumns, plan_columns
from simcore.registry import normal
from simcore.spec.formats import number_format
from simcore.spec.hardware import Chip
from simcore.spec.load import build
from simcore.spec.model import ModelSpec
from simcore.spec.plan import ParallelPlan, checkpoint_formats
from simcore.spec.plan_part import HardwarePart, PlanPart
from simcore.spec.policy import ServingPolicy
from simcore.spec.policy_part import PolicyPart
from simcore.spec.scenario import ResidencyPart, Scenario
from simcore.spec.stack import Stack
from simcore.spec.system import System
from simcore.step.overlap import overlap_of
from simcore.step.price import Physics
from simcore.step.sample import SMALL_KERNEL_S
from simcore.step.served import NOTHING, Served

UNSAID = ("models", "jobs")
"""parts of a scenario that `scenarios.models` honours, and verbs of one model do not"""


@dataclass(frozen=True)
class Resolved:
    """What a scenario's names stand for; `scenario` is the same question with nothing left to default."""

    scenario: Scenario
    model: ModelSpec
    system: System
    release: Release
    stack: Stack
    served: Served
    notes: tuple[str, ...] = ()
    problem: str | None = None
    """why no server runs this plan"""

    def checked(self) -> Resolved:
        """Itself. Raises InputError for a plan that no server runs."""
        if self.problem:
            raise InputError(self.problem, file=self.scenario.file, key="plan")
        return self

    @property
    def plan(self) -> ParallelPlan:
        """With formats."""
        assert isinstance(self.scenario.plan, ParallelPlan)
        return self.scenario.plan

    @property
    def columns(self) -> PlanColumns:
        """The plan for the engines."""
        return plan_columns(self.plan)

    @cached_property
    def cost_model(self) -> Any:
        """Of the stack on the chip."""
        return cost_model(self.system.chip, self.stack)

    @cached_property
    def expert_cost(self) -> Any:
        """Of the experts, where the server runs another stack's kernels; else None."""
        other = self.scenario.policy.expert_kernels
        if other in (None, self.release.name):
            return None
        with said_in(self.scenario.file, "policy.expert_kernels"):
            return cost_model(self.system.chip, str(other))

    @property
    def serving_policy(self) -> ServingPolicy:
        """The policy as the machine and the analytic engine read it."""
        policy, places = self.scenario.policy, self.scenario.residency
        tiers = places_of(places, self.scenario.file)
        if tiers.get("expert_fetch") == "host":
            tiers["expert_host_flop_per_s"] = host_flop_per_s(self.system, self.scenario.file)
        fields = {name: getattr(policy, name) for name in SERVING}
        return ServingPolicy(**fields, **tiers, mixes=policy.scheduler in MIXING)

    @cached_property
    def machine(self) -> Any:
        """The system's facts in the plan's formats. Raises InputError for a tier that is not there."""
        from simcore.cost.machine import machine_of, with_formats

        weights, experts, activations, kv = self.plan.formats()
        try:
            found = machine_of(self.system, weights, experts, activations, self.serving_policy, kv)
            return with_formats(found, self.system.chip, named(self.model), self.plan.collective)
        except KeyError as error:
            raise InputError(str(error.args[0]), file=self.scenario.file, key="residency") from None

    def adding(self, adds: Served) -> Served:
        """What another server would add to this deployment."""
        return with_policy(adds, self.scenario.policy, self.plan, self.system, self.stack, self.scenario.file)

    def physics(self, clock_ratio: float = 1.0) -> Physics:
        """What turns this deployment's steps into seconds."""
        policy = self.scenario.policy
        return Physics(
            self.model,
            self.machine,
            self.cost_model,
            policy.imbalance_ratio,
            self.served,
            self.expert_cost,
            small_kernel_s=SMALL_KERNEL_S if policy.effects == "kernels" else 0.0,
            clock_ratio=clock_ratio,
            overlap=overlap_of(self.serving_policy),
        )


def places_of(places: Mapping[str, ResidencyPart], file: str) -> dict[str, Any]:
    """[residency] as fields of a `ServingPolicy`. Raises InputError for a class or a rule that serving lacks."""
    found: dict[str, Any] = {}
    for name, place in places.items():
        key = f"residency.{name}"
        if name not in ("weights", "experts", "kv"):
            fix = "known: weights, experts, kv; with [[models]] models"
            raise InputError("is no class of serving", file=file, key=key, fix=fix)
        refuse_models_keys(place, key, file)
        if place.fetch in ROUTED:
            found |= routed(name, place, key, file)
            continue
        if any((place.cache not in (None, "static"), place.skew_ratio, place.repeat_ratio)):
            fix = "name fetch = gated or pre-gated"
            raise InputError("is for experts that routers ask for", file=file, key=f"{key}.cache", fix=fix)
        if name == "kv":
            known, what = place.fetch != "resident" and place.share == 1.0, "lives in one tier, all of it"
        else:
            known, what = place.fetch != "resident" or place.home == "main", "is resident in the main tier only"
        if not known:
            raise InputError(what, file=file, key=key, fix="leave out fetch and share, or name another rule")
        if name == "kv":
            ahead = place.fetch in ("prefetch", "window") and place.home != "main"
            found |= {"kv_tier": place.home, "kv_fetch": "prefetch" if ahead else "step"}
            continue
        one = name.removesuffix("s")
        found |= {f"{one}_tier": place.home, f"{one}_away_ratio": place.share}
        if place.home != "main":
            fetch = found.setdefault("weight_fetch", place.fetch)
            if (fetch == "demand") != (place.fetch == "demand"):
                raise InputError(
                    "is fetched as the other weights are", file=file, key=f"{key}.fetch", fix="use one rule"
                )
    return found


def refuse_models_keys(place: ResidencyPart, key: str, file: str) -> None:
    """Raises InputError for what only residency.models has."""
    if place.accuracy_ratio is not None and place.fetch != "speculative":
        raise InputError("is for fetch = speculative", file=file, key=f"{key}.accuracy_ratio", fix="leave it out")
    for name, value in (("slots", place.slots), ("turn", place.turn_s)):
        if value is not None:
            raise InputError("is for residency.models", file=file, key=f"{key}.{name}", fix="leave it out")


ROUTED = ("gated", "pre-gated", "speculative", "host")
"""rules that fetch, or compute on the host, the experts which tokens ask for"""


def routed(name: str, place: ResidencyPart, key: str, file: str) -> dict[str, Any]:
    """Experts that come as routers ask, as fields of a `ServingPolicy`. Raises InputError for another class."""
    if name != "experts":
        raise InputError("is for experts", file=file, key=f"{key}.fetch", fix="name another rule")
    if place.home == "main":
        return {"expert_tier": "main"}
    if (place.accuracy_ratio is None) == (place.fetch == "speculative"):
        what, fix = "goes with fetch = speculative", "give both or neither"
        raise InputError(what, file=file, key=f"{key}.accuracy_ratio", fix=fix)
    return {
        "expert_tier": place.home,
        "expert_away_ratio": place.share,
        "expert_fetch": place.fetch,
        "expert_cache": place.cache or "static",
        "expert_skew_ratio": place.skew_ratio,
        "expert_repeat_ratio": place.repeat_ratio,
        "expert_accuracy_ratio": 1.0 if place.accuracy_ratio is None else place.accuracy_ratio,
    }


SERVING = (
    "memory_fraction",
    "token_budget",
    "max_running",
    "graphs",
    "pim_attention",
    "sub_batches",
    "imbalance_ratio",
    "overlap",
    "stream_interval",
    "reserve_output",
)
"""fields of the policy that the analytic engine knows too"""
MIXING = ("chunked", "inflight", "orca", "earliest-deadline", "shortest-job", "priority", "ranked")
"""schedulers whose steps hold prefill chunks beside decodes"""


def resolve(scenario: Scenario) -> Resolved:
    """Look up the names of a scenario with [model] and [hardware]. Raises InputError naming the key."""
    for part in UNSAID:
        if getattr(scenario, part):
            fix = "simulate it, or leave it out"
            raise InputError("is for simulate, capacity and estimate", file=scenario.file, key=part, fix=fix)
    assert scenario.model is not None and scenario.hardware is not None
    model, told = find("model", scenario.model.value, scenario.file, "model.name")
    return deployed(scenario, scenario.hardware, model, told)


def deployed(
    scenario: Scenario, hardware: HardwarePart, model: ModelSpec, told: tuple[str, ...] = (), is_whole: bool = True
) -> Resolved:
    """The scenario's plan and policy on some hardware; `is_whole`: every layer runs on this plan."""
    check_overlap(scenario)
    system, more = find("system", hardware.system, scenario.file, "hardware.system")
    for path, value in hardware.changes.items():
        system = system_with(system, path, value, scenario.file)
    system, housed = several(system, scenario.plan.replica_chips)
    if hardware.link is not None:
        system = linked(system, host_link(hardware.link, scenario.file), scenario.plan.replica_chips)
    asked = hardware.stack or default_stack(system.chip)
    named, heard = release(asked, Path(scenario.file).parent, scenario.file or None)
    stack = documented(named.stack).release(named.version)
    plan, notes = full_plan(scenario, model)
    model = with_layers(model, scenario.plan, scenario.file) if isinstance(scenario.plan, PlanPart) else model
    policy = full_policy(scenario.policy, stack, system)
    adds = with_policy(served(stack), policy, plan, system, stack, scenario.file)
    whole = scenario.model_copy(update={"plan": plan, "policy": policy, "hardware": hardware})
    refusal, cautions = in_words(objections(model, plan_columns(plan), plan.formats()[:2]), stack.loader, named.name)
    problem = (plan.problem(model) or refusal if is_whole else None) or too_many(plan, system)
    source = getattr(cost_model(system.chip, stack), "note", "") or learnt(system.chip, stack, hardware)
    said = (*scenario.notes, *told, *more, *housed, *heard, *notes, *cautions, *([source] if source else []))
    return Resolved(whole, model, system, named, stack, adds, tuple(dict.fromkeys(said)), problem)


def learnt(chip: Chip, stack: Stack, hardware: HardwarePart) -> str:
    """What a reader must know of data-sheet laws on a chip that nobody has measured; else empty."""
    from hardware_specs.calibrations import measured_stacks

    if stack.kernels != "datasheet" or (measured_stacks(chip.name) and not hardware.changes):
        return ""
    why = "which share of its peaks kernels reach is learnt from measured chips and falls as they grow"
    return f"{chip.name} as given has no operator tables: {why}, so twice its rates are not twice its speed"


def system_with(system: System, path: str, value: Any, file: str) -> System:
    """The system with one field of a spec changed (`chip.power.tdp`, `node.levels.0.link.bandwidth`): a quantity, a
    number in SI, or a factor such as "2x"."""
    where = path.replace("chip.memory.main.", f"chip.memory.{system.chip.main_tier}.")
    try:
        text = str(value)
        if text.endswith("x") and text[:-1].replace(".", "", 1).isdigit():
            value = float(read(system, where)) * float(text[:-1])
        found: System = changed(system, where, quantity(value))
    except InputError as error:
        error.file, error.key = file, f"hardware.{path}"
        raise
    return found


def full_plan(scenario: Scenario, model: ModelSpec) -> tuple[ParallelPlan, tuple[str, ...]]:
    """(the plan with the checkpoint's own formats where none are given, what to tell)."""
    part = scenario.plan
    if isinstance(part, ParallelPlan):
        return part, ()
    return plan_of(part, model, scenario.file)


def plan_of(part: PlanPart, model: ModelSpec, file: str = "") -> tuple[ParallelPlan, tuple[str, ...]]:
    """As `full_plan`, of any plan."""
    if part.collective != AUTO:
        known_word(normal(part.collective), (AUTO, *algorithms.names()), "plan.collective", file)
    stated = {name: format_named(value, file, f"plan.{name}") for name, value in part.formats.items()}
    formats = {k: v for k, v in checkpoint_formats(model, stated).items() if v is not None}
    for name, value in formats.items():
        with said_in(file, f"plan.{name}"):
            number_format(value)
    plan = build(ParallelPlan, {**part.degrees, **formats}, file)
    own = model.expert_format or model.native_format
    told = []
    if part.weights and own != "bf16" and plan.formats()[1] not in (own, plan.formats()[0] if own is None else own):
        told.append(
            f"weights in {number_format(stated['weights']).name} as asked; the checkpoint's own format is {own}"
        )
    return plan, tuple(told)


def full_policy(policy: PolicyPart, stack: Stack, system: System) -> PolicyPart:
    """The policy with the stack's documented defaults for what is left out."""
    chip = system.chip
    reported = chip.memory[chip.main_tier].reported_bytes
    serving, memory = stack.serving, stack.memory
    defaults = {
        "scheduler": serving.scheduler,
        "token_budget": serving.budget(reported, memory),
        "max_running": memory.sampled(reported),
        "memory_fraction": memory.fraction,
        "reserve_output": serving.reserve_output,
        "stream_interval": serving.stream_interval,
        "overlap_scheduling": serving.overlap_scheduling,
    }
    missing = {name: value for name, value in defaults.items() if getattr(policy, name) is None}
    return policy.model_copy(update=missing)


def with_policy(
    adds: Served, policy: PolicyPart, plan: ParallelPlan, system: System, stack: Stack, file: str = ""
) -> Served:
    """What a server adds under the policy's switches, with a plan's formats on a chip and its host."""
    if policy.effects == "kernels":
        return NOTHING
    if not adds.adds:
        return adds
    weights, experts = (number_format(name).name for name in plan.formats()[:2])
    quantises = any(name.startswith("fp8") or name in ("fp4", "nvfp4") for name in (weights, experts))
    generation = chip_facts(system.chip).generation
    return replace(
        adds.on(quantises, stack.untuned.ratio(generation, experts)).hosted(thread_ratio(system, file)),
        older=not policy.overlap_scheduling,
        graph_tokens=graph_tokens(policy, stack),
        peer_share=1.0 if policy.hold_steps else adds.peer_share,
        least_expert_tokens=float(policy.least_expert_tokens),
    )


def graph_tokens(policy: PolicyPart, stack: Stack) -> float:
    """Largest step with a chunk that runs from a graph."""
    if not policy.graphs:
        return 0.0
    stated = policy.graph_tokens
    return float(stack.serving.captured_tokens(policy.max_running or 1) if stated is None else stated)


def thread_ratio(system: System, file: str) -> float:
    """How fast one thread of the system's host is; 1 where no host is named. Raises InputError for an unknown one."""
    host = system.node.host if system.node else None
    return float(find("chip", host, file, "hardware.node.host")[0].issue.thread_ratio) if host else 1.0


def host_flop_per_s(system: System, file: str) -> float:
    """One chip's share of what the node's hosts multiply in bf16 or its like. Raises InputError without a host."""
    node = system.node
    if node is None or not node.host:
        what, fix = f"{system.name} names no host", "name a node with one"
        raise InputError(what, file=file, key="residency.experts.fetch", fix=fix)
    chip = find("chip", node.host, file, "hardware.node.host")[0]
    unit = chip.compute[chip.main_unit]
    return half_peak(unit) * max(node.hosts, 1) / node.chips


def too_many(plan: ParallelPlan, system: System) -> str | None:
    """Why the system has too few chips; None if it has enough."""
    if plan.chips > system.max_chips:
        return f"the plan needs {plan.chips} chips, {system.name} has {system.max_chips}"
    return None


def find(kind: str, value: Any, file: str, key: str) -> tuple[Any, tuple[str, ...]]:
    """(the spec that a value stands for, what to tell)."""
    found = look_up(kind, value, Path(file).parent, file or None, key)
    return found.value, found.notes


def known_word(word: str, words: tuple[str, ...], key: str, file: str) -> None:
    """Raises InputError with the nearest word for an unknown one."""
    if word not in words:
        raise InputError(f"unknown {word!r}", file=file, key=key, fix=suggest(word, words))
