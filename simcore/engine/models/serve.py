"""Serve a trace on replicas that each hold several models, with a job in their slack."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from simcore.engine.feedback import Clients
from simcore.engine.models.records import GROUP, MODEL, RULES
from simcore.engine.serving import ServingRun, rank_requests, request_records
from simcore.engine.settings import ReplicaSettings
from simcore.errors import InputError
from simcore.kept.lazy import dataclass
from simcore.policy.records import STEP, new_replicas
from simcore.spec.traffic import Ints, Slo, Trace
from simcore.step.times import StepTimes


@dataclass(frozen=True)
class Member:
    """A model of a replica, and how many like it."""

    name: str
    settings: ReplicaSettings
    """`kv_blocks`: the whole pool in its blocks"""
    step_times: StepTimes
    weight_bytes: float = 0.0
    """on one chip"""
    fetch_s: float = 0.0
    """to bring them from the tier that they live in"""
    block_bytes: float = 1.0
    """of its KV block on one chip"""
    copies: int = 1
    placed: tuple[int, ...] | None = None
    """replicas that may serve it; None: all"""


@dataclass(frozen=True)
class Job:
    """Work without users: tokens that are trained on while the chips have time."""

    name: str
    token_s: float
    """of a replica's chips"""
    limit_s: float
    """a step with its tokens lasts at most so long, or as long as it does without"""
    tokens: float = np.inf
    """of each replica"""
    power_w: float = 0.0
    """above idle, of a replica, while it runs"""


@dataclass(frozen=True)
class Shared:
    """Replicas that several models share."""

    members: tuple[Member, ...]
    count: int = 1
    """replicas"""
    capacity_bytes: float = np.inf
    """of a chip's main tier, for weights"""
    turn_s: float = np.inf
    """a model's steps in a row while another waits; infinite: until it has none"""
    rule: str = "lru"
    ahead: bool = False
    """weights of the next model come while another runs"""
    by_turn: bool = False
    """requests go to replicas in turn; else to the least loaded"""
    job: Job | None = None

    @property
    def owners(self) -> Ints:
        """Place in `members` of each model of a replica, copies one by one."""
        return np.repeat(np.arange(len(self.members)), [member.copies for member in self.members])


@dataclass(frozen=True)
class SharedRun(ServingRun):
    """A run, and what became of models and job. `replicas` has a record for each model of each replica."""

    models: Any = None
    """`[replicas x models]`, dtype MODEL"""
    groups: Any = None
    """`[replicas]`, dtype GROUP"""
    which: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """`[requests]`, the model of each, copies one by one"""


def serve_models(
    shared: Shared, trace: Trace, which: Ints, slos: tuple[Slo, ...] = (), clients: Clients | None = None
) -> SharedRun:
    """Serve `trace`, whose request i asks for model `which[i]` (copies counted one by one).

    Wrong where models run side by side on parts of a chip, where a model's weights are copied in while its first layers
    run, and where prefixes are cached: the KV pool is one, and nobody keeps what he does not use.
    """
    from simcore.engine.models.loops import closed_models, open_models
    from simcore.policy.scheduler import schedulers
    from simcore.step.kernel import pack

    owners, first = shared.owners, shared.members[0].settings
    for member in shared.members:
        if member.placed is not None and not any(place < shared.count for place in member.placed):
            what = f"no replica of {shared.count} may serve {member.name}"
            raise InputError(what, key=f"models.{member.name}.replicas", fix="name one of them")
    requests = request_records(trace)
    rank_requests(requests, first, slos)
    fleet, models, groups = records(shared)
    times = np.concatenate([pack(member.step_times) for member in shared.members])
    compose, log = schedulers(first.scheduler), np.zeros(0, STEP)
    asked = np.ascontiguousarray(which, dtype=np.int64)
    hashes, caches = np.zeros(0, np.int32), empty_caches(fleet, shared, owners)
    state = (fleet, models, groups, requests, asked, times, hashes, caches, compose, log)
    if clients is None:
        open_models(*state, int(shared.by_turn))
    else:
        fleet["stop_at_done"] = 1
        done = np.zeros(len(requests), np.int64)
        closed_models(*state, int(shared.by_turn), clients.users, clients.think_s, done)
    run = {"trace": trace, "requests": requests, "replicas": fleet, "log": log, "tiers": ((),) * len(fleet)}
    return SharedRun(**run, models=models, groups=groups, which=asked)


def empty_caches(fleet: Any, shared: Shared, owners: Ints) -> Any:
    """Caches without prefixes."""
    from simcore.engine.caches import lay_out

    return lay_out(fleet, 0, [shared.members[at].settings for at in np.tile(owners, shared.count)])


def records(shared: Shared) -> tuple[Any, Any, Any]:
    """(replica records, one per model of each; model records; group records): weights in the file's order are there at
    the start, as many as there is room for."""
    owners = shared.owners
    each = len(owners)
    fleet, models = new_replicas(shared.count * each), np.zeros(shared.count * each, MODEL)
    groups = np.zeros(shared.count, GROUP)
    for at in range(len(fleet)):
        place, member = at // each, shared.members[owners[at % each]]
        member.settings.fill(fleet[at], step_times=int(owners[at % each]), seed=at)
        models[at]["placed"] = member.placed is None or place in member.placed
        for name in ("weight_bytes", "fetch_s", "block_bytes"):
            models[at][name] = getattr(member, name)
    for low in range(0, len(models), each):
        own = models[low : low + each]
        fits = np.cumsum(own["weight_bytes"] * own["placed"]) <= shared.capacity_bytes * (1.0 + 1e-12)
        own["resident"] = fits & (own["placed"] == 1)
    groups["capacity_bytes"], groups["turn_s"], groups["ahead"] = shared.capacity_bytes, shared.turn_s, shared.ahead
    groups["rule"], groups["current"], groups["turn_end_s"] = RULES.index(shared.rule), -1, -np.inf
    if shared.job is not None:
        job = shared.job
        groups["job_token_s"], groups["job_limit_s"], groups["job_left_tokens"] = job.token_s, job.limit_s, job.tokens
    return fleet, models, groups
