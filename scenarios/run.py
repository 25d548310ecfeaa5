"""From a scenario file to a run: resolves names, sizes KV, draws traffic. Shared by `simulate` and `capacity`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from simcore.errors import InputError


@dataclass(frozen=True)
class Ready:
    """Everything resolved: what the engine needs, and what the money needs."""

    scenario: Any
    trace: Any
    step_times: Any
    settings: Any
    slos: tuple[Any, ...]
    replicas: int
    usd_per_hour: float | None
    """of one replica"""
    infeasible: str | None = None
    assumptions: tuple[str, ...] = ()

    @property
    def criterion(self) -> Any:
        """What a capacity search asks of a run."""
        from simcore.engine.capacity import Criterion

        slo = self.scenario.slo
        infinite = float("inf")
        return Criterion(self.slos, slo.attainment, slo.itl_p99_s or infinite, slo.queue_p50_s or infinite)

    @property
    def chips(self) -> int:
        """Of one replica."""
        group = self.scenario.attention_ffn
        own = self.scenario.plan.replica_chips
        return int(own if group is None else group.replicas * own + group.plan.replica_chips)

    @property
    def has_bounds(self) -> bool:
        """Whether the scenario states any bound."""
        slo = self.scenario.slo
        return bool(self.slos) or slo.itl_p99_s is not None or slo.queue_p50_s is not None

    @cached_property
    def fleet(self) -> Any:
        """The plan of the scenario's fleet."""
        from scenarios.fleet import fleet_plan

        return fleet_plan(self.scenario)

    def run(
        self,
        rate_ratio: float = 1.0,
        replicas: int | None = None,
        log_steps: int = 0,
        pools: tuple[int, ...] | None = None,
    ) -> Any:
        """Serve the traffic, arrivals `rate_ratio` times as fast, with other counts of replicas if given."""
        from simcore.engine.serving import Clients, serve, serve_clients

        trace = self.trace if rate_ratio == 1.0 else self.trace.scaled(rate_ratio=rate_ratio)
        traffic = self.scenario.traffic
        clients = Clients(traffic.users, traffic.think_s) if traffic.users is not None else None
        ranks = self.scenario.plan.attention_dp
        several = clients is not None and ranks == 1 and (replicas or self.replicas) > 1
        staged = self.scenario.policy.microbatches > 1
        if self.scenario.fleet is not None or self.scenario.power is not None or traffic.wait or several or staged:
            from scenarios.fleet import one_pool, resized
            from simcore.engine.fleet import serve_fleet

            plan = self.fleet if self.scenario.fleet is not None else one_pool(self, replicas)
            if pools is not None:
                plan = resized(plan, pools)
            return serve_fleet(plan, trace, self.slos, clients, traffic.wait)
        if clients is not None:
            return serve_clients(trace, self.step_times, self.settings, clients, ranks, log_steps)
        if ranks > 1:
            return self._open_ranks(trace, replicas or self.replicas, log_steps)
        return serve(
            trace,
            self.step_times,
            self.settings,
            replicas=replicas or self.replicas,
            router=self.scenario.policy.router,
            log_steps=log_steps,
            slos=self.slos,
        )

    def _open_ranks(self, trace: Any, replicas: int, log_steps: int) -> Any:
        """Arrivals to the attention-dp ranks of one replica, which step together."""
        from simcore.engine.ranks import SharedSteps, serve_ranks
        from simcore.step.times import ZERO, StepTimes

        ranks = self.scenario.plan.attention_dp
        if replicas > 1:
            what = f"arrivals to {replicas} replicas of {ranks} attention-dp ranks"
            raise InputError(what, file=self.scenario.file, key="plan.attention_dp", fix="simulate one replica")
        steps = SharedSteps(self.step_times, StepTimes(ZERO, ZERO, ZERO, ZERO, ZERO))
        return serve_ranks(trace, steps, self.settings, ranks, log_steps, self.slos)


def prepare(path: Path, seed: int | None = None, skip_bad: bool = False) -> Ready:
    """Read a scenario and resolve it. Raises InputError for bad input."""
    from simcore.spec.simulation import read_simulation

    scenario = read_simulation(path)
    return resolve(scenario if seed is None else scenario.replace(seed=seed), skip_bad)


def resolve(scenario: Any, skip_bad: bool = False) -> Ready:
    """Names to specs, lengths to traces, memory to KV blocks."""
    trace = traffic_of(scenario, skip_bad)
    slos = slos_of(scenario, trace.slo_names)
    step_times, kv_blocks, block_bytes, money, problem, notes = physics_of(scenario)
    return Ready(
        scenario,
        trace,
        step_times,
        settings_of(scenario, kv_blocks, block_bytes, common_window(scenario)),
        slos,
        scenario.policy.replicas or scenario.plan.dp,
        money,
        problem,
        (*notes, *trace.notes.get("reading", ())),
    )


def slos_of(scenario: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    """Bounds by class of the trace, in its order; empty if the scenario states none."""
    from simcore.errors import suggest
    from simcore.spec.traffic import Slo

    for name in scenario.slo.classes:
        if name not in names:
            raise InputError(
                "no such class in the trace", file=scenario.file, key=f"slo.classes.{name}", fix=suggest(name, names)
            )
    found = []
    for name in names if scenario.slo.classes else names[:1]:
        part = scenario.slo.classes.get(name, scenario.slo)
        bounds = {k: v for k in ("ttft_s", "tpot_s", "e2e_s") if (v := getattr(part, k)) is not None}
        found.append((Slo(**bounds), bool(bounds)))
    return tuple(slo for slo, _ in found) if any(stated for _, stated in found) else ()


def with_policy(times: Any, policy: Any) -> Any:
    """Step times with the policy's host time and overlap."""
    return replace(
        times,
        host_pure_s=policy.host_s,
        host_mixed_s=policy.host_s,
        communication_overlap_ratio=policy.communication_overlap_ratio,
    )


def physics_of(scenario: Any) -> Any:
    """(step times, KV blocks, bytes per block, USD/h of a replica, why it does not fit, assumptions)."""
    if scenario.steps is not None:
        from simcore.engine.settings import UNLIMITED

        return given_steps(scenario), scenario.steps.kv_blocks or UNLIMITED, 0.0, None, None, ()
    return hardware_steps(scenario)


def given_steps(scenario: Any) -> Any:
    """Step times from a table in the scenario or from a profile on disk."""
    steps, here = scenario.steps, Path(scenario.file).parent
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


def table_steps(steps: Any) -> Any:
    """The linear law of a `table` profile, on the lattice."""
    from simcore.step.times import SampleRange, StepParts, StepSample, sample_step_times

    def evaluate(sample: StepSample) -> StepParts:
        tokens = sample.chunk_tokens + sample.decodes
        attention = sample.decodes * sample.kv_tokens * steps.kv_token_s
        attention = (
            attention + sample.chunk_tokens * (sample.past_tokens + sample.chunk_tokens / 2) * steps.past_token_s
        )
        return StepParts(steps.step_s + tokens * steps.token_s, attention, 0.0 * tokens, 0.0 * tokens)

    return sample_step_times(evaluate, SampleRange(), source="table of the scenario")


def hardware_steps(scenario: Any, clock_ratio: float = 1.0) -> Any:
    """Step times from the shared cost models, KV from what the plan leaves free."""
    from scenarios.names import model_of, system_of
    from scenarios.step_sources import kept_step_times
    from simcore.spec.policy import ServingPolicy

    named, placed = model_of(scenario), system_of(scenario)
    model, system = named.value, placed.value
    problem = scenario.plan.problem(model)
    if problem:
        raise InputError(problem, file=scenario.file, key="plan")
    if scenario.attention_ffn is not None:
        from scenarios.attention_ffn import group_steps

        return group_steps(scenario, model, system)
    policy = ServingPolicy(memory_fraction=scenario.policy.memory_fraction, graphs=scenario.policy.graphs)
    times = kept_step_times(model, scenario.plan, scenario.hardware.stack, policy, system, clock_ratio)
    times = with_policy(times, scenario.policy)
    blocks, block_bytes, problem = kv_of(scenario, model, system)
    rental = scenario.hardware.usd_per_hour
    rental = system.chip.money.rental_usd_per_hour if rental is None else rental
    money = None if rental is None else rental * scenario.plan.replica_chips
    notes = tuple(f"{key}: {text}" for key, text in system.assumptions().items())
    notes = (*named.notes, *placed.notes, *notes)
    return times, blocks, block_bytes, money, problem, notes


def clocked_steps(scenario: Any) -> tuple[Any, ...]:
    """Step times at the lower clocks of the scenario's power policy, if it has one."""
    if scenario.power is None:
        return ()
    return tuple(hardware_steps(scenario, ratio)[0] for ratio in scenario.power.clock_ratios[1:])


def kv_of(scenario: Any, model: Any, system: Any) -> tuple[int, float, str | None]:
    """(KV blocks, bytes per block on all chips of a replica, why nothing fits)."""
    import numpy as np

    from simcore.cost import memory
    from simcore.ops.op import plan_columns

    plan, policy = plan_columns(scenario.plan, {}), scenario.policy
    chip = system.chip
    have = chip.memory[chip.main_tier].capacity_bytes * policy.memory_fraction
    weights = float(np.max(memory.weight_bytes(model, plan)))
    work = float(np.max(memory.activation_bytes(model, plan, float(policy.token_budget))))
    buffers = float(np.max(memory.buffer_bytes(model, plan, float(policy.max_running), float(policy.token_budget))))
    block = float(np.max(memory.kv_bytes_per_sequence(model, plan, float(policy.block_tokens))))
    room = have - weights - work - buffers - chip.reserve_bytes
    if room < block:
        need = (have - room + block) / 1e9
        return 0, block, f"does not fit: {chip.main_tier} needs {need:.1f} GB per chip and has {have / 1e9:.1f} GB"
    return int(room // block), block, None


def settings_of(scenario: Any, kv_blocks: int, block_bytes: float, window: int = 0) -> Any:
    """The policy part as replica settings."""
    from simcore.engine.settings import UNLIMITED, ReplicaSettings

    policy = scenario.policy
    parts = policy.microbatches
    if parts > 1 and scenario.plan.pp == 1:
        what = f"{parts} micro-batches need pipeline stages"
        raise InputError(what, file=scenario.file, key="policy.microbatches", fix="set plan.pp above 1")
    swap = policy.swap_bandwidth
    same = (
        "scheduler",
        "token_budget",
        "block_tokens",
        "watermark_blocks",
        "reserve_output",
        "whole_prompt",
        "ahead",
        "batch_wait_s",
        "draft_tokens",
        "draft_width",
        "acceptance_ratio",
        "draft_s",
    )
    return ReplicaSettings(
        **{name: getattr(policy, name) for name in same},
        options=tuple(policy.options.items()),
        max_running=-(-policy.max_running // parts),
        prefill_budget=policy.prefill_budget or UNLIMITED,
        chunk_tokens=policy.chunk_tokens or UNLIMITED,
        kv_blocks=max(kv_blocks // parts, 1),
        eviction=policy.evict,
        hash_tokens=hash_tokens(scenario) if policy.prefix_cache else 0,
        window_tokens=window,
        radix=policy.prefix_cache == "radix",
        tiers=tiers_of(scenario, block_bytes),
        offload=policy.offload,
        swap=swap is not None,
        swap_s_per_block=block_bytes / swap if swap else 0.0,
    )


def tiers_of(scenario: Any, block_bytes: float) -> tuple[Any, ...]:
    """The tiers below the prefix cache, sized and timed in hashes."""
    from simcore.policy.offload import Tier

    policy = scenario.policy
    key = "policy.tiers" if policy.tiers else "policy.offload_capacity"
    if not policy.tiers and policy.offload_capacity is None:
        return ()
    if not block_bytes:
        raise InputError("needs [model] and [hardware] to size KV", file=scenario.file, key=key)
    size = block_bytes * scenario.plan.tp * hash_tokens(scenario) / policy.block_tokens
    parts = policy.microbatches
    if policy.offload_capacity is not None:
        return (Tier("offload", int(policy.offload_capacity // size) // parts, size / policy.offload_bandwidth),)
    return tuple(
        Tier(
            t.name,
            int(t.capacity // size) // (1 if t.shared else parts),
            size / t.read,
            size / (t.write or t.read),
            t.latency_s,
            t.shared,
        )
        for t in policy.tiers
    )


def common_window(scenario: Any) -> int:
    """Tokens of KV that any sequence keeps, where every layer has the same sliding window; else 0."""
    from scenarios.names import model_of

    if scenario.model is None:
        return 0
    groups = model_of(scenario).value.layers
    mixers = [group.mixer for group in groups if group.mixer is not None]
    spans = {getattr(mixer, "span_tokens", None) for mixer in mixers}
    return int(spans.pop() or 0) if len(spans) == 1 else 0


def hash_tokens(scenario: Any) -> int:
    """Tokens per prefix hash of the trace."""
    trace = traffic_of(scenario, True)
    if not trace.prefix_block_tokens:
        raise InputError("the traffic has no prefix hashes", file=scenario.file, key="policy.prefix_cache")
    return int(trace.prefix_block_tokens)


def traffic_of(scenario: Any, skip_bad: bool) -> Any:
    """The trace: read and scaled, or drawn with the scenario's seed."""
    from scenarios.traces import trace_of

    part = scenario.traffic
    if part.trace is not None:
        return trace_of(part, scenario.file, skip_bad)
    return drawn(part, scenario.seed)


def drawn(part: Any, seed: int) -> Any:
    """Generated requests."""
    from workloads import generate, traffic

    if part.name is not None:
        demand = traffic(part.name)
        points = [{float(q): v for q, v in side.quantiles.items()} for side in (demand.input, demand.output)]
        lengths = generate.from_quantiles(points[0], points[1])
    elif part.input_median_tokens is not None:
        lengths = generate.lognormal_quantiles(
            (part.input_median_tokens, part.input_p90_tokens),
            (part.output_median_tokens, part.output_p90_tokens),
            part.longest_tokens,
        )
    else:
        ranges = [(v, v) if isinstance(v, int) else v for v in (part.input_tokens, part.output_tokens)]
        lengths = generate.uniform_range(ranges[0], ranges[1])
    rate = (part.rate_per_s or 1.0) * part.rate_scale
    laws = {
        "poisson": generate.poisson(rate),
        "gamma": generate.gamma(rate, part.cv),
        "uniform": generate.uniform(rate),
        "once": generate.at_once(),
    }
    arrivals = laws["once"] if part.users is not None else laws[part.arrivals]
    trace = generate.generate(part.requests, arrivals, lengths, seed)
    if part.turns > 1 or part.copies > 1:
        return generate.sessions(trace, part.turns, part.pause_s, 0.0, seed=seed, copies=part.copies, answers=True)
    return trace
