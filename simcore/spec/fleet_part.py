"""Parts for fleets that change or whose replicas differ: [fleet], [power], [attention_ffn]."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from simcore.spec.base import Count, Spec, Whole
from simcore.spec.plan_part import HardwarePart, PlanPart
from simcore.spec.policy_part import PolicyPart
from simcore.units import BytesPerS, Seconds, Watts


class PoolPart(Spec):
    """Equal replicas of a fleet; what is not said is as in the scenario."""

    name: str
    count: Count
    role: Literal["both", "prefill", "decode"] = "both"
    started: Whole | None = None
    hardware: HardwarePart | None = None
    plan: PlanPart | None = None
    policy: PolicyPart | None = None


class TransferPart(Spec):
    """The link between prefill and decode pools, per channel and direction."""

    bytes_per_s: BytesPerS | None = Field(default=None, alias="bandwidth")
    """None: of the system's own links, latency too (`scenarios.transfer`)"""
    latency_s: Seconds = Field(default=0.0, alias="latency")
    channels: Count | None = None
    """transfers at a time; None: 1, of the system's own links one per prefill rank"""
    overlap_ratio: float = Field(default=0.0, ge=0, le=1)
    """share sent layer by layer during the prefill"""
    bytes_per_token: float | None = Field(default=None, gt=0)
    """KV bytes per token; None: the model's, which then must be given"""


class FailurePart(Spec):
    """A replica goes down; replicas are numbered through the pools, decode pools last."""

    at_s: Seconds = Field(alias="at")
    replica: Whole
    down_s: Seconds = Field(alias="down")


class AutoscalePart(Spec):
    """Bounds on unfinished requests per serving replica, checked every `interval`."""

    pool: str
    low: float = Field(ge=0)
    high: float = Field(gt=0)
    least: Count = 1
    interval_s: Seconds = Field(alias="interval", gt=0)
    cold_start_s: Seconds = Field(alias="cold_start")


class RolesPart(Spec):
    """Replicas change between the prefill and the decode pool; thresholds of `simcore.policy.roles`."""

    policy: str = "pressure"
    high_queue_tokens: float = Field(gt=0)
    low_queue_tokens: float = Field(ge=0)
    high_decode_ratio: float = Field(default=0.9, gt=0)
    low_decode_ratio: float = Field(default=0.6, ge=0)
    interval_s: Seconds = Field(default=1.0, alias="interval", gt=0)
    hold_s: Seconds = Field(default=10.0, alias="hold")
    switch_s: Seconds = Field(default=0.0, alias="switch")
    least: Count = 1

    @model_validator(mode="after")
    def _thresholds_lie_apart(self) -> RolesPart:
        for low, high in (("low_queue_tokens", "high_queue_tokens"), ("low_decode_ratio", "high_decode_ratio")):
            if not getattr(self, low) < getattr(self, high):
                raise ValueError(f"{low} must lie below {high}")
        return self


class FleetPart(Spec):
    """A fleet that changes, or whose replicas differ."""

    pools: tuple[PoolPart, ...] = Field(min_length=1)
    decode_router: str = "shortest-queue"
    transfer: TransferPart | None = None
    first_token: Literal["prefill", "decode"] = "prefill"
    """which pool sends it: the prefill's as soon as it is made (TensorRT-LLM's own proxy), or the decode's when it
    takes the request in (Dynamo, SGLang)"""
    failures: tuple[FailurePart, ...] = ()
    autoscale: AutoscalePart | None = None
    roles: RolesPart | None = None


class AttentionFfnPart(Spec):
    """Attention and FFN on different chips: `replicas` attention replicas of the scenario's hardware and plan, which
    hold the KV, share one FFN pool; together they are one replica of the simulation."""

    replicas: Count
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


class PowerPart(Spec):
    """A power policy over the replicas' clocks; needs [model] and [hardware], whose physics says what a clock costs."""

    policy: str = "phase-aware"
    """a file of `simcore.policy.power`"""
    clock_ratios: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7)
    """the ladder of clocks over the top clock"""
    prefill_level: Whole = 0
    decode_level: Whole = 0
    cap: Watts | None = None
    """of one replica, all its chips"""
    high_ratio: float = Field(default=0.9, gt=0)
    low_ratio: float = Field(default=0.7, gt=0)
    interval_s: Seconds = Field(default=1.0, alias="interval", gt=0)
    latency_s: Seconds = Field(default=0.0, alias="latency")
