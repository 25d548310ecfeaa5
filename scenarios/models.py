"""[[models]] and [[jobs]] of a scenario: members that share chips, their memory, and whom each request asks for."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Any

import numpy as np

from scenarios.jobs import job_of
from scenarios.memory import home_of, load_of
from scenarios.models_beside import Beside, beside_of, beside_times
from scenarios.prices import hourly_usd
from scenarios.resolved import Resolved, resolve
from scenarios.run import Ready, read_by_frontend, reading, sent_at, too_long
from scenarios.settings import settings_of
from scenarios.steps import hardware_steps
from scenarios.traffic import needed, slos_of, traffic_of
from simcore.cost.memory import footprint
from simcore.cost.storage import is_main, tier_bytes, tier_latency_s, tier_read_bytes_per_s
from simcore.engine.kv_pool import KvPool, pool_of, without_room
from simcore.engine.models.serve import Member, Shared
from simcore.errors import InputError, said_in
from simcore.kept.lazy import dataclass
from simcore.spec.models_part import SharedModelPart
from simcore.spec.policy_part import PolicyPart
from simcore.spec.scenario import ResidencyPart, Scenario
from simcore.spec.traffic import Ints, Trace

UNHONOURED = ("fleet", "power", "attention_ffn", "steps")
"""parts that chips which several models share do not know"""
ROUTERS = ("round-robin", "least-outstanding")


@dataclass(frozen=True)
class Sized:
    """One entry of [[models]], looked up and sized, on one chip of the fullest stage."""

    part: SharedModelPart
    found: Resolved
    weight_bytes: float
    beside_bytes: float
    """of the main tier, what neither weights nor KV may have: a step's peak, the runtime's own"""
    held: Any
    """its `Footprint`"""
    beside: Beside


@dataclass(frozen=True)
class SharedReady(Ready):
    """A scenario with [[models]] or [[jobs]], ready to be served."""

    shared: Shared = Shared(())
    which: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """`[requests]`"""

    @property
    def models_per_replica(self) -> int:
        """Copies one by one."""
        return len(self.shared.owners)

    def more(self, run: Any, found: dict[str, Any]) -> dict[str, Any]:
        """By model and job."""
        from scenarios.models_report import told

        return told(run, self, found)

    def run(
        self,
        rate_ratio: float = 1.0,
        replicas: int | None = None,
        log_steps: int = 0,
        pools: tuple[int, ...] | None = None,
    ) -> Any:
        """Serve the traffic, arrivals `rate_ratio` times as fast, on another count of replicas if given."""
        from simcore.engine.models.serve import serve_models

        if log_steps:
            what = "a timeline has one model at a time, and several share these chips"
            raise InputError(what, file=self.scenario.file, key="--timeline", fix="leave it out")
        trace = self.trace if rate_ratio == 1.0 else self.trace.scaled(rate_ratio=rate_ratio)
        clients = self.clients(replicas or self.replicas)
        sent = trace if clients is not None else read_by_frontend(trace, self.served.token_s)
        shared = replace(self.shared, count=replicas or self.replicas)
        return sent_at(serve_models(shared, sent, self.which, self.slos, clients), trace)


def ready_models(scenario: Scenario, skip_bad: bool = False) -> SharedReady:
    """A scenario with [[models]] or [[jobs]]. Raises InputError for what such chips do not know."""
    check(scenario)
    trace = traffic_of(scenario, skip_bad)
    sized = tuple(sized_part(scenario, part) for part in parts_of(scenario))
    first = sized[0].found
    alike(sized, scenario.file)
    job = job_of(scenario, first)
    held_bytes = 0.0 if job is None else job.held_bytes
    capacity, room, pool = memory_of(scenario, sized, held_bytes)
    shared = Shared(
        tuple(member_of(scenario, one, room, trace) for one in sized),
        first.plan.dp,
        capacity,
        **switching(scenario),
        by_turn=first.scenario.policy.router == "round-robin",
        job=None if job is None else job.engine,
    )
    notes = [f"{key}: {text}" for one in sized for key, text in one.found.system.assumptions().items()]
    told = (*dict.fromkeys(notes), *too_long(first.model, trace), *reading(trace))
    settings, times = shared.members[0].settings, shared.members[0].step_times
    slos = slos_of(scenario, trace.slo_names)
    own = {name: getattr(scenario, name) for name in ("models", "jobs", "residency")}
    whole = first.scenario.model_copy(update=own)
    base = (whole, trace, times, settings, slos, first.plan.dp, hourly_usd(first), pool.problem, told, pool)
    return SharedReady(*base, first, shared=shared, which=asked_models(scenario, trace))


def parts_of(scenario: Scenario) -> tuple[SharedModelPart, ...]:
    """The models; the scenario's own where only jobs are named."""
    return scenario.models or (SharedModelPart(name=scenario.name),)


def check(scenario: Scenario) -> None:
    """Raises InputError for parts and policies that chips which several models share do not know."""
    wrong: list[tuple[str, Any]] = [(part, getattr(scenario, part) is not None) for part in UNHONOURED]
    wrong += [(f"residency.{name}", name != "models") for name in scenario.residency]
    wrong += [("traffic.wait", needed(scenario).wait), *wrong_policy("", scenario.policy, scenario.plan)]
    for part in scenario.models:
        wrong += wrong_policy(f"models.{part.name}.", part.policy or scenario.policy, part.plan or scenario.plan)
    for key, is_so in wrong:
        if is_so:
            what = "is not known beside [[models]] and [[jobs]]"
            raise InputError(what, file=scenario.file, key=key, fix="leave it out")


def wrong_policy(prefix: str, policy: PolicyPart, plan: Any) -> list[tuple[str, bool]]:
    """(key, whether it is set) of what chips that several models share do not know."""
    known = {"prefix_cache": False, "microbatches": 1, "tiers": (), "offload_capacity": None, "hold_steps": 0}
    found = [(f"{prefix}policy.{name}", getattr(policy, name) not in (plain, None)) for name, plain in known.items()]
    found += [(f"{prefix}policy.compile", policy.compile_s > 0), (f"{prefix}plan.attention_dp", plan.attention_dp > 1)]
    return [*found, (f"{prefix}policy.router", policy.router not in ROUTERS and "router" in policy.model_fields_set)]


def child(scenario: Scenario, part: SharedModelPart) -> Scenario:
    """The question of one model alone."""
    update = {name: value for name in ("model", "plan", "policy") if (value := getattr(part, name)) is not None}
    return scenario.model_copy(update={**update, "models": (), "jobs": (), "residency": {}})


def sized_part(scenario: Scenario, part: SharedModelPart) -> Sized:
    """A model looked up, and its memory as if it were alone."""
    mine = child(scenario, part)
    with said_in(scenario.file, f"models.{part.name}", part.model_fields_set):
        found = resolve(mine).checked()
    held = footprint(found.model, found.columns, load_of(found.scenario.policy), home_of(found))
    weights, resident = float(np.max(held.weights_bytes)), float(np.max(held.resident_bytes))
    beside = beside_of(scenario, part, found)
    return Sized(part, found, weights, resident - weights, held, beside)


def alike(sized: tuple[Sized, ...], file: str) -> None:
    """Raises InputError for models that cannot take turns: other counts of chips or replicas, other schedulers."""
    first = sized[0].found
    for one in sized[1:]:
        other = one.found
        what = ""
        if (other.plan.replica_chips, other.plan.dp) != (first.plan.replica_chips, first.plan.dp):
            what = f"has {other.plan.dp} replicas of {other.plan.replica_chips} chips"
            fix = f"give it {first.plan.dp} of {first.plan.replica_chips}, as {sized[0].part.name} has"
        elif other.scenario.policy.scheduler != first.scenario.policy.scheduler:
            what, fix = f"is scheduled by {other.scenario.policy.scheduler}", "use one scheduler"
        if what:
            raise InputError(what, file=file, key=f"models.{one.part.name}", fix=fix)
    for one in sized:
        for place in one.part.replicas or ():
            if place >= first.plan.dp:
                what, fix = f"names replica {place}", f"there are 0 to {first.plan.dp - 1}"
                raise InputError(what, file=file, key=f"models.{one.part.name}.replicas", fix=fix)


def place_of(scenario: Scenario) -> ResidencyPart | None:
    """Where models live that are not in use; None: all are in the main tier."""
    place = scenario.residency.get("models")
    if place is None or place.home == "main":
        return None
    key, file = "residency.models", scenario.file
    if place.fetch not in ("step", "demand", "prefetch"):
        raise InputError(f"fetch = {place.fetch!r}", file=file, key=key, fix='use "demand" or "prefetch"')
    if place.cache == "score":
        raise InputError("cache = 'score'", file=file, key=key, fix="use lru, lfu or static")
    if place.share != 1.0 or place.skew_ratio or place.repeat_ratio or place.accuracy_ratio is not None:
        what = "share, skew_ratio, repeat_ratio and accuracy_ratio are for experts"
        raise InputError(what, file=file, key=key, fix="leave them out")
    return place


def switching(scenario: Scenario) -> dict[str, Any]:
    """Fields of `Shared` that say when and how models change."""
    place = place_of(scenario)
    if place is None:
        turn_s = scenario.residency["models"].turn_s if "models" in scenario.residency else None
        return {"turn_s": 0.0 if turn_s is None else turn_s}
    turn_s = np.inf if place.turn_s is None else place.turn_s
    return {"turn_s": turn_s, "rule": place.cache or "lru", "ahead": place.fetch == "prefetch"}


def memory_of(scenario: Scenario, sized: tuple[Sized, ...], held_bytes: float) -> tuple[float, float, KvPool]:
    """(bytes for weights, bytes for KV, the pool of the first model): of one chip. `held_bytes` is a job's.

    The main tier less the largest peak of a step is divided: weights of `slots` models (without a number as many as fit
    in half of it), the rest KV. Without [residency] models all weights are there.
    """
    held_bytes += sum(one.part.copies * one.beside.held_bytes for one in sized)
    have = min(float(np.max(one.held.room_bytes)) + one.weight_bytes for one in sized) - held_bytes
    every = [one.weight_bytes for one in sized for _ in range(one.part.copies)]
    place, main, found = place_of(scenario), sized[0].found, max(every)
    if place is None:
        weights = max(placed_bytes(sized, replica) for replica in range(main.plan.dp))
    else:
        slots = place.slots or max(1, int(0.5 * have // found))
        weights = float(sum(sorted(every)[-slots:]))
    tier, room = main.system.chip.main_tier, have - weights
    pool = own_pool(sized[0], room)
    block = max(float(np.max(one.held.pages.block_bytes)) for one in sized)
    beside = max(one.beside_bytes for one in sized) + held_bytes
    if room < block:
        return weights, room, without_room(tier, weights + beside + block, have + beside)
    if place is not None:
        needs, there = float(sum(every)), tier_of(main, place, tier_bytes)
        if needs > there:
            return weights, room, without_room(place.home, needs, there)
    return weights, room, pool


def own_pool(one: Sized, room: float) -> KvPool:
    """The whole KV pool in the blocks of one model, less what its draft needs beside them."""
    held = replace(one.held, room_bytes=max(room * one.beside.kv_ratio, 0.0))
    return pool_of(held, one.found.system.chip.main_tier)


def placed_bytes(sized: tuple[Sized, ...], replica: int) -> float:
    """Weights of all models that a replica may serve, on one chip."""
    own = (one for one in sized if one.part.replicas is None or replica in one.part.replicas)
    return float(sum(one.part.copies * one.weight_bytes for one in own))


def tier_of(found: Resolved, place: ResidencyPart, ask: Any) -> float:
    """A fact of the tier that models live in. Raises InputError for one that is not there, or is the main one."""
    if is_main(found.system, place.home):
        what, fix = f"{place.home} is the main tier, where all are without this line", "leave it out"
        raise InputError(what, file=found.scenario.file, key="residency.models", fix=fix)
    try:
        return float(ask(found.system, place.home))
    except KeyError as error:
        raise InputError(str(error.args[0]), file=found.scenario.file, key="residency.models") from None


def fetch_s_of(scenario: Scenario, one: Sized) -> float:
    """Seconds to bring a model's weights from the tier that they live in."""
    place = place_of(scenario)
    if place is None:
        return 0.0
    rate, late_s = (tier_of(one.found, place, ask) for ask in (tier_read_bytes_per_s, tier_latency_s))
    return late_s + one.weight_bytes / rate


def member_of(scenario: Scenario, one: Sized, room: float, trace: Trace) -> Member:
    """A model as the engine takes it: the whole KV pool in its own blocks."""
    found, pool = one.found, own_pool(one, room)
    settings = settings_of(found.scenario, pool, trace)
    times = beside_times(hardware_steps(found), one.beside, found)
    return Member(
        one.part.name,
        settings,
        times,
        one.weight_bytes,
        fetch_s_of(scenario, one),
        max(pool.page_bytes / one.beside.kv_ratio, 1e-9),
        one.part.copies,
        one.part.replicas,
    )


def shares_of(parts: tuple[SharedModelPart, ...]) -> Any:
    """Share of the requests of each model, copies one by one; copies by Zipf's law."""
    found = []
    for part in parts:
        weight = 1.0 / np.arange(1, part.copies + 1) ** part.skew_ratio
        found.append(part.share_ratio * weight / weight.sum())
    whole = np.concatenate(found)
    return whole / whole.sum()


def asked_models(scenario: Scenario, trace: Trace) -> Ints:
    """The model that each request asks for: its class, where the trace's classes are the models' names (of copies, one
    is drawn); else drawn by the shares with the scenario's seed, one for a whole session."""
    parts = parts_of(scenario)
    shares, random = shares_of(parts), np.random.default_rng([scenario.seed, 17])
    names, first = [part.name for part in parts], np.cumsum([0, *(part.copies for part in parts)])
    if trace.slo_class is not None and set(trace.slo_names) <= set(names):
        found = np.zeros(len(trace), np.int64)
        for number, name in enumerate(trace.slo_names):
            at = names.index(name)
            own = shares[first[at] : first[at + 1]]
            mine = np.flatnonzero(trace.slo_class == number)
            found[mine] = first[at] + random.choice(len(own), len(mine), p=own / own.sum())
        return found
    drawn = random.choice(len(shares), len(trace), p=shares).astype(np.int64)
    if trace.session is None:
        return drawn
    _, opens, back = np.unique(trace.session, return_index=True, return_inverse=True)
    return np.asarray(drawn[opens][back])
