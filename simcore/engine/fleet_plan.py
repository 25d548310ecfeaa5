"""What a fleet is: pools of replicas with roles, the link between them, what changes while it serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simcore.engine.settings import ReplicaSettings
from simcore.errors import InputError
from simcore.policy.power import PowerLimits
from simcore.policy.records import MAX_STAGES
from simcore.policy.roles import RoleLimits
from simcore.step.times import StepTimes

Role = Literal["both", "prefill", "decode"]


@dataclass(frozen=True)
class Pool:
    """Equal replicas with one role."""

    name: str
    settings: ReplicaSettings
    step_times: StepTimes
    count: int
    role: Role = "both"
    started: int | None = None
    """how many serve from the start; None: all"""
    clocked: tuple[StepTimes, ...] = ()
    """step times at the lower clocks of a power policy's ladder"""
    stage_shares: tuple[float, ...] = ()
    """share of a step's time in each pipeline stage; empty: a step is one piece"""
    microbatches: int = 1
    """in flight through the stages of each replica: as many schedulers, which divide its KV and slots among them"""
    ranks: int = 1
    """attention-dp ranks of each replica, which step together; `step_times` is what one does alone"""
    shared: StepTimes | None = None
    """of ranks: the experts' part, by the tokens of all (`simcore.engine.ranks`)"""
    padded_tokens: int = 0
    """up to so many tokens on the fullest rank all are padded to it"""

    @property
    def engines(self) -> int:
        """Schedulers of all replicas."""
        return self.count * self.microbatches * self.ranks

    @property
    def all_times(self) -> tuple[StepTimes, ...]:
        """Step times at the top clock, at the lower ones, and last the experts' part of ranks."""
        return (self.step_times, *self.clocked, *(() if self.shared is None else (self.shared,)))

    @property
    def is_whole(self) -> bool:
        """Whether a replica is one scheduler, so that it can fail, come and go."""
        return self.microbatches == 1 and self.ranks == 1 and not self.stage_shares


@dataclass(frozen=True)
class Transfer:
    """KV from prefill to decode: latency + bytes / bandwidth per request, at most `channels` at a time."""

    bytes_per_token: float
    bytes_per_s: float
    latency_s: float = 0.0
    channels: int = 1
    overlap_ratio: float = 0.0
    """share sent layer by layer while the prefill still runs"""


@dataclass(frozen=True)
class Failure:
    """A replica (by its number in the fleet) goes down at `at_s` for `down_s`; its requests are routed again."""

    at_s: float
    replica: int
    down_s: float


@dataclass(frozen=True)
class Autoscale:
    """Every `interval_s`: add a replica above `high` unfinished requests per serving one, retire one below `low`.

    A new replica serves after `cold_start_s` (weights over the storage path, start-up); a retired one finishes what
    it has.
    """

    pool: str
    low: float
    high: float
    least: int
    interval_s: float
    cold_start_s: float


@dataclass(frozen=True)
class Roles:
    """Replicas of the prefill and the decode pool change sides: a policy is asked every `interval_s`.

    A chosen replica takes no more requests, finishes those it has, is away for `switch_s` (its prefix cache is lost,
    its weights stay) and serves in the other role. Each role keeps `least` replicas; the next switch waits `hold_s`.
    """

    limits: RoleLimits
    policy: str = "pressure"
    interval_s: float = 1.0
    hold_s: float = 10.0
    switch_s: float = 0.0
    least: int = 1


@dataclass(frozen=True)
class Clocking:
    """A power policy is asked at the start and every `interval_s`; its clocks hold for steps `latency_s` later."""

    limits: PowerLimits
    policy: str = "phase-aware"
    interval_s: float = 1.0
    latency_s: float = 0.0


@dataclass(frozen=True)
class FleetPlan:
    """Everything about a fleet but its traffic."""

    pools: tuple[Pool, ...]
    router: str = "least-outstanding"
    decode_router: str = "shortest-queue"
    transfer: Transfer | None = None
    first_token: Literal["prefill", "decode"] = "prefill"
    """which pool sends it: the prefill's when it is made, or the decode's when it takes the request in"""
    failures: tuple[Failure, ...] = ()
    autoscale: Autoscale | None = None
    roles: Roles | None = None
    clocking: Clocking | None = None


def check_plan(plan: FleetPlan) -> None:
    """Raise InputError for a plan whose parts do not fit together."""
    pools = plan.pools
    roles = {pool.role for pool in pools}
    if "prefill" in roles and ("decode" not in roles or plan.transfer is None):
        raise InputError("a prefill pool needs a decode pool and a transfer", key="pools")
    if "decode" in roles and "prefill" not in roles:
        raise InputError("a decode pool needs a prefill pool", key="pools")
    if "prefill" in roles and "both" in roles:
        raise InputError("pools of role both and prefill cannot share the arrivals", key="pools")
    names = [pool.name for pool in pools]
    if plan.autoscale and plan.autoscale.pool not in names:
        raise InputError(f"no pool {plan.autoscale.pool!r}", key="autoscale.pool", fix=f"known: {', '.join(names)}")
    total = sum(pool.count for pool in pools)
    for failure in plan.failures:
        if not 0 <= failure.replica < total:
            raise InputError(f"no replica {failure.replica}", key="failures", fix=f"the fleet has 0 to {total - 1}")
    for pool in pools:
        if not pool.is_whole and (plan.failures or plan.autoscale or plan.roles or pool.started is not None):
            parts, key = ("stages", "policy.microbatches") if pool.ranks == 1 else ("ranks", "plan.attention_dp")
            what = f"replicas whose {parts} are simulated one by one neither fail nor come and go"
            raise InputError(what, key=key, fix=f"use {key.split('.')[1]} = 1")
        if pool.ranks > 1 and (plan.clocking or pool.microbatches > 1):
            what = "attention-dp ranks of a fleet have neither power policies nor pipeline stages"
            raise InputError(what, key="plan.attention_dp", fix="use attention_dp = 1")
        if len(pool.stage_shares) > MAX_STAGES:
            raise InputError(f"{len(pool.stage_shares)} stages", key="plan.pp", fix=f"use at most {MAX_STAGES}")
    if plan.roles:
        if roles != {"prefill", "decode"} or len(pools) != 2:
            raise InputError("switching roles needs one prefill and one decode pool", key="roles")
        if plan.autoscale:
            raise InputError("switching roles and autoscaling exclude each other", key="roles")
        if min(pool.count for pool in pools) < plan.roles.least:
            raise InputError(f"a pool starts with fewer than {plan.roles.least} replicas", key="roles.least")
    if plan.clocking:
        levels = plan.clocking.limits.last
        for pool in pools:
            if len(pool.clocked) != levels:
                raise InputError(f"pool {pool.name!r} has step times of {len(pool.clocked)} lower clocks, not {levels}")
