"""Parts for fleets that change or whose replicas differ: [fleet], [power], [attention_ffn]."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from simcore.spec.base import Count, Portion, Spec, Whole
from simcore.spec.plan_part import HardwarePart, PlanPart
from simcore.spec.policy_part import PolicyPart
from simcore.units import BytesPerS, Seconds, Watts


class PoolPart(Spec):
    """Equal replicas of a fleet; what is not said is as in the scenario."""

    name: str
    """its own, by which answers and [fleet.autoscale] name it"""
    count: Count
    """its replicas, those that autoscaling may start included"""
    role: Literal["both", "prefill", "decode"] = "both"
    """prefill and decode pools hand requests over; both: it does all of a request"""
    started: Whole | None = None
    """replicas that serve from the start, the others wait for autoscaling; None: all"""
    hardware: HardwarePart | None = None
    """None: the scenario's"""
    plan: PlanPart | None = None
    """of one replica; None: the scenario's"""
    policy: PolicyPart | None = None
    """None: the scenario's"""


class TransferPart(Spec):
    """The link between prefill and decode pools, per channel and direction."""

    bytes_per_s: BytesPerS | None = Field(default=None, alias="bandwidth")
    """None: of the system's own links, latency too (`scenarios.transfer`)"""
    latency_s: Seconds = Field(default=0.0, alias="latency")
    """once per request, beside a stated `bandwidth`"""
    channels: Count | None = None
    """transfers at a time; None: 1, of the system's own links one per prefill rank"""
    overlap_ratio: float = Field(default=0.0, ge=0, le=1)
    """share sent layer by layer during the prefill"""
    bytes_per_token: float | None = Field(default=None, gt=0)
    """KV bytes per token; None: the model's, which then must be given"""


class FailurePart(Spec):
    """A replica goes down; replicas are numbered through the pools, decode pools last."""

    at_s: Seconds = Field(alias="at")
    """when it goes down; its requests are routed again"""
    replica: Whole
    """its number in the fleet, from 0"""
    down_s: Seconds = Field(alias="down")
    """how long it stays down"""


class AutoscalePart(Spec):
    """Bounds on unfinished requests per serving replica, checked every `interval`."""

    pool: str
    """name of the pool that grows and shrinks"""
    low: float = Field(ge=0)
    """unfinished requests per serving or starting replica below which one is retired; it finishes what it has"""
    high: float = Field(gt=0)
    """unfinished requests per serving or starting replica above which one is started"""
    least: Count = 1
    """replicas that are never retired"""
    interval_s: Seconds = Field(alias="interval", gt=0)
    """between two looks"""
    cold_start_s: Seconds = Field(alias="cold_start")
    """from the decision until a new replica serves"""


class RolesPart(Spec):
    """Replicas change between the prefill and the decode pool; thresholds of `simcore.policy.roles`."""

    policy: str = "pressure"
    """a file of `simcore.policy.roles`"""
    high_queue_tokens: float = Field(gt=0)
    """waiting input tokens per prefill replica above which prefill is short of replicas"""
    low_queue_tokens: float = Field(ge=0)
    """waiting input tokens per prefill replica below which the others must stay for prefill to spare one"""
    high_decode_ratio: float = Field(default=0.9, gt=0)
    """load of the decode replicas, the larger of KV over capacity and sequences over slots, above which decode is short
    of replicas"""
    low_decode_ratio: float = Field(default=0.6, ge=0)
    """load of the decode replicas below which the others must stay for decode to spare one"""
    interval_s: Seconds = Field(default=1.0, alias="interval", gt=0)
    """between two questions to the policy"""
    hold_s: Seconds = Field(default=10.0, alias="hold")
    """shortest time from one change to the next"""
    switch_s: Seconds = Field(default=0.0, alias="switch")
    """how long a replica is away that changes, after it has finished its requests"""
    least: Count = 1
    """replicas that each role keeps"""

    @model_validator(mode="after")
    def _thresholds_lie_apart(self) -> RolesPart:
        for low, high in (("low_queue_tokens", "high_queue_tokens"), ("low_decode_ratio", "high_decode_ratio")):
            if not getattr(self, low) < getattr(self, high):
                raise ValueError(f"{low} must lie below {high}")
        return self


class FleetPart(Spec):
    """A fleet that changes, or whose replicas differ."""

    pools: tuple[PoolPart, ...] = Field(min_length=1)
    """of equal replicas; pools of role prefill and decode come together"""
    decode_router: str = "shortest-queue"
    """which decode replica takes a request from prefill: a file of `simcore.policy.router`"""
    transfer: TransferPart | None = None
    """how KV goes from prefill to decode; None: over the system's own links"""
    first_token: Literal["prefill", "decode"] = "prefill"
    """which pool sends it: the prefill's as soon as it is made (TensorRT-LLM's own proxy), or the decode's when it
    takes the request in (Dynamo, SGLang)"""
    failures: tuple[FailurePart, ...] = ()
    """replicas that go down, and when"""
    autoscale: AutoscalePart | None = None
    """None: the number of replicas stays"""
    roles: RolesPart | None = None
    """None: replicas keep their roles"""


class AttentionFfnPart(Spec):
    """Attention and FFN on different chips: `replicas` attention replicas of the scenario's hardware and plan, which
    hold the KV, share one FFN pool; together they are one replica of the simulation."""

    replicas: int = Field(ge=1, le=1024)
    """attention replicas that share the FFN pool"""
    microbatches: int = Field(default=2, ge=1, le=16)
    """at most so many go round between the pools; a step takes the fastest number"""
    hardware: HardwarePart | None = None
    """of the FFN pool; None: the scenario's"""
    plan: PlanPart
    """of the FFN pool: tp, ep and formats"""
    bandwidth: BytesPerS
    """of the link of one attention chip, in each direction"""
    ffn_bandwidth: BytesPerS | None = None
    """of the link of one FFN chip; None: the same"""
    latency_s: Seconds = Field(default=0.0, alias="latency")
    """of one transfer between the two sides"""


class PowerPart(Spec):
    """A power policy over the replicas' clocks; needs [model] and [hardware], whose physics says what a clock costs."""

    policy: str = "phase-aware"
    """a file of `simcore.policy.power`"""
    clock_ratios: tuple[Portion, ...] = Field(default=(1.0, 0.9, 0.8, 0.7), max_length=32)
    """the ladder of clocks over the top clock"""
    prefill_level: Whole = 0
    """place in the ladder, 0 the top clock, of steps with a prompt (policy phase-aware) or of all (static)"""
    decode_level: Whole = 0
    """place of steps of decodes alone (policy phase-aware)"""
    cap: Watts | None = None
    """of one replica, all its chips"""
    high_ratio: float = Field(default=0.9, gt=0)
    """policy slo-slack: the top clock above this share of a bound of [slo]"""
    low_ratio: float = Field(default=0.7, gt=0)
    """a clock lower below this share of a bound (slo-slack), a clock higher below this share of `cap` (cap)"""
    interval_s: Seconds = Field(default=1.0, alias="interval", gt=0)
    """between two questions to the policy"""
    latency_s: Seconds = Field(default=0.0, alias="latency")
    """from its answer until steps run at the new clock"""
