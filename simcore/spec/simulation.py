"""A simulation as a person writes it: `schema = "scenario/1"`, one table per part of the question."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from simcore.errors import InputError
from simcore.spec.base import MOST_COUNT, Count, FileName, Spec, Whole, name_of
from simcore.spec.load import build_from_file, read_file
from simcore.spec.plan import ParallelPlan
from simcore.units import BytesPerS, Capacity, Seconds, Watts

MOST_REQUESTS = 100_000_000
"""generated ones: 30 GB of records"""


class ModelPart(Spec):
    """Which model."""

    name: str


class HardwarePart(Spec):
    """A chip in its usual home, a node or a cluster, and the software stack."""

    system: str
    stack: str = "datasheet"
    usd_per_hour: float | None = Field(default=None, ge=0)
    """price of one chip and hour, for cost per million tokens; None: the chip's own rental"""


class StepsPart(Spec):
    """Step times given instead of derived from model and hardware."""

    profile: Literal["table", "vidur", "layers"]
    step_s: Seconds = Field(default=0.0, alias="step")
    token_s: Seconds = Field(default=0.0, alias="token")
    """table: every step takes `step` + tokens x `token` + KV tokens of its decodes x `kv_token`"""
    kv_token_s: Seconds = Field(default=0.0, alias="kv_token")
    past_token_s: Seconds = Field(default=0.0, alias="past_token")
    """table: and, for a chunk, chunk x (past + chunk / 2) x this"""
    layers: Count = 1
    mlp: str | None = None
    attention: str | None = None
    folder: str | None = None
    kv_blocks: Count | None = None
    """KV capacity of a replica; None: without bound"""


class TierPart(Spec):
    """A tier below the prefix cache of a replica, or a pool that all replicas share."""

    name: str
    capacity: Capacity
    read: BytesPerS
    """bandwidth of bringing prefixes back, all chips of a replica together (of a shared pool: all replicas)"""
    write: BytesPerS | None = None
    """bandwidth downwards; None: as `read`"""
    latency_s: Seconds = Field(default=0.0, alias="latency")
    """once per run of blocks that a request fetches"""
    shared: bool = False


class PolicyPart(Spec):
    """Scheduler, limits and router; the names are files of `simcore.policy`."""

    scheduler: str = "chunked"
    router: str = "least-outstanding"
    replicas: Count | None = None
    """None: the plan's dp"""
    max_running: Count = 256
    token_budget: Count = 8192
    prefill_budget: Count | None = None
    chunk_tokens: Count | None = None
    block_tokens: Count = 16
    watermark_blocks: Whole = 0
    memory_fraction: float = Field(default=0.9, gt=0, le=1)
    graphs: bool = True
    reserve_output: bool = False
    whole_prompt: bool = True
    ahead: bool = False
    prefix_cache: bool | Literal["hash", "radix"] = False
    """true is "hash": a second copy of a prefix stays with its request; "radix": every prefix is held once"""
    evict: str = "lru"
    offload_capacity: Capacity | None = None
    """evicted prefixes are kept in a tier below of this size per replica (needs prefix_cache)"""
    offload_bandwidth: BytesPerS | None = None
    """of fetching them back, all chips of a replica together; writing is free. `tiers` says more"""
    offload: str = "cascade"
    """what goes to the tiers and when: a file of `simcore.policy.offload`"""
    tiers: tuple[TierPart, ...] = Field(default=(), max_length=4)
    """below the prefix cache, nearest first"""
    microbatches: int = Field(default=1, ge=1, le=64)
    """with plan.pp > 1: micro-batches in flight, each with its share of KV and slots, through stages simulated one by
    one; 1: a step is one piece through all stages"""
    swap_bandwidth: BytesPerS | None = None
    """preemption moves KV over a link of this bandwidth; None: it recomputes"""
    batch_wait_s: Seconds = Field(default=0.0, alias="batch_wait")
    draft_tokens: Whole = 0
    draft_width: Count = 1
    """candidates at each of `draft_tokens` depths; all are verified, the first goes on"""
    acceptance_ratio: float = Field(default=0.0, ge=0, lt=1)
    draft_s: Seconds = Field(default=0.0, alias="draft")
    host_s: Seconds = Field(default=0.0, alias="host")
    """host time per step that the device waits for"""
    communication_overlap_ratio: float = Field(default=0.0, ge=0, le=1)
    """share of the shorter of compute and communication that hides under the other (nano-batches)"""
    stream_interval: Count = 1
    """clients get tokens in groups of this size"""
    detokenise_s: Seconds = Field(default=0.0, alias="detokenise")

    @model_validator(mode="after")
    def _offload_is_whole(self) -> PolicyPart:
        if (self.offload_capacity is None) != (self.offload_bandwidth is None):
            raise ValueError("offload_capacity and offload_bandwidth go together")
        if self.offload_capacity is not None and not self.prefix_cache:
            raise ValueError("offload_capacity needs prefix_cache = true")
        if self.tiers and (self.offload_capacity is not None or not self.prefix_cache):
            raise ValueError("tiers need a prefix_cache, and replace offload_capacity and offload_bandwidth")
        return self


class TrafficPart(Spec):
    """A trace file, or generated requests; open loop by rate, or a closed loop of users."""

    trace: str | None = None
    """a file, relative to the scenario; $NAME is taken from the environment"""
    form: str | None = None
    rate_scale: float = Field(default=1.0, gt=0)
    input_scale: float = Field(default=1.0, gt=0)
    output_scale: float = Field(default=1.0, gt=0)
    head: Count | None = None
    name: str | None = None
    """lengths of a named traffic"""
    input_tokens: Count | tuple[Count, Count] | None = None
    """a fixed length or a uniform range"""
    output_tokens: Count | tuple[Count, Count] | None = None
    input_median_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    input_p90_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    output_median_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    output_p90_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    """lognormal lengths with these quantiles"""
    longest_tokens: int | None = Field(default=None, ge=2, le=MOST_COUNT)
    """lognormal lengths: inputs are cut so that input and output together stay below"""
    requests: int = Field(default=1000, ge=1, le=MOST_REQUESTS)
    arrivals: Literal["poisson", "gamma", "uniform", "once"] = "poisson"
    rate_per_s: float | None = Field(default=None, gt=0)
    cv: float = Field(default=1.0, gt=0)
    users: Count | None = None
    think_s: Seconds = Field(default=1e-6, alias="think")
    turns: Count = 1
    """generated requests open sessions of so many turns, each with all before it as its input"""
    pause_s: Seconds = Field(default=0.0, alias="pause")
    """mean of the exponential pause before the next turn (a tool's, or a person's)"""
    copies: Count = 1
    """generated requests: each turn is sent so many times at once"""
    wait: bool = False
    """sessions are a closed loop: a turn is sent a pause after all answers of the turn before it are complete"""

    @field_validator("input_tokens", "output_tokens")
    @classmethod
    def _range_ascends(cls, value: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
        if isinstance(value, tuple) and value[0] > value[1]:
            raise ValueError(f"[{value[0]}, {value[1]}] is not [low, high]")
        return value

    @model_validator(mode="after")
    def _loops_exclude_each_other(self) -> TrafficPart:
        if self.users is not None and (self.wait or self.turns > 1 or self.copies > 1):
            raise ValueError("users and sessions (turns, copies, wait) are two kinds of closed loop; give one")
        if self.trace is not None and (self.turns > 1 or self.copies > 1):
            raise ValueError("turns and copies are for generated requests; a trace brings its own sessions")
        return self

    @model_validator(mode="after")
    def _one_source(self) -> TrafficPart:
        fixed = self.input_tokens is not None and self.output_tokens is not None
        names = ("input_median_tokens", "input_p90_tokens", "output_median_tokens", "output_p90_tokens")
        quantiles = [getattr(self, name) is not None for name in names]
        if any(quantiles) and not all(quantiles):
            raise ValueError(f"lognormal lengths need all of {', '.join(names)}")
        if sum((self.trace is not None, self.name is not None, fixed, all(quantiles))) != 1:
            raise ValueError("give exactly one of trace, name, input_tokens with output_tokens, or the four quantiles")
        if self.trace is None and self.users is None and self.rate_per_s is None and self.arrivals != "once":
            raise ValueError("generated arrivals need rate_per_s (or users, or arrivals = 'once')")
        return self


class PoolPart(Spec):
    """Equal replicas of a fleet; what is not said is as in the scenario."""

    name: str
    count: Count
    role: Literal["both", "prefill", "decode"] = "both"
    started: Whole | None = None
    hardware: HardwarePart | None = None
    plan: ParallelPlan | None = None
    policy: PolicyPart | None = None


class TransferPart(Spec):
    """The link between prefill and decode pools, per channel and direction."""

    bandwidth: BytesPerS
    latency_s: Seconds = Field(default=0.0, alias="latency")
    channels: Count = 1
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
    failures: tuple[FailurePart, ...] = ()
    autoscale: AutoscalePart | None = None
    roles: RolesPart | None = None


class ClassPart(Spec):
    """Bounds of the requests of one class of the trace."""

    ttft_s: Seconds | None = Field(default=None, alias="ttft")
    tpot_s: Seconds | None = Field(default=None, alias="tpot")
    e2e_s: Seconds | None = Field(default=None, alias="e2e")


class SloPart(Spec):
    """Bounds of one request; `attainment` is the share of requests that must meet them for a capacity."""

    ttft_s: Seconds | None = Field(default=None, alias="ttft")
    tpot_s: Seconds | None = Field(default=None, alias="tpot")
    e2e_s: Seconds | None = Field(default=None, alias="e2e")
    attainment: float = Field(default=0.9, gt=0, le=1)
    classes: dict[str, ClassPart] = Field(default_factory=dict)
    """bounds by `slo_class` of the trace; other classes have the bounds above"""
    itl_p99_s: Seconds | None = Field(default=None, alias="itl_p99")
    """capacity: bound on the 99th percentile of all gaps between tokens"""
    queue_p50_s: Seconds | None = Field(default=None, alias="queue_p50")
    """capacity: bound on the median wait for the first schedule"""


class AttentionFfnPart(Spec):
    """Attention and FFN on different chips: `replicas` attention replicas of the scenario's hardware and plan, which
    hold the KV, share one FFN pool; together they are one replica of the simulation."""

    replicas: Count
    microbatches: int = Field(default=2, ge=1, le=16)
    """at most so many go round between the pools; a step takes the fastest number"""
    hardware: HardwarePart | None = None
    """of the FFN pool; None: the scenario's"""
    plan: ParallelPlan
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


class Simulation(Spec):
    """One run of the event engine."""

    name: FileName
    file: str = ""
    seed: int = Field(default=0, ge=0)
    model: ModelPart | None = None
    hardware: HardwarePart | None = None
    steps: StepsPart | None = None
    plan: ParallelPlan = ParallelPlan()
    policy: PolicyPart = PolicyPart()
    traffic: TrafficPart
    slo: SloPart = SloPart()
    fleet: FleetPart | None = None
    power: PowerPart | None = None
    attention_ffn: AttentionFfnPart | None = None
    warm_ratio: float = Field(default=0.0, ge=0, lt=0.5)
    """share of the arrival span left out at the start and at the end of the statistics"""

    @model_validator(mode="after")
    def _has_physics(self) -> Simulation:
        if self.steps is None and (self.model is None or self.hardware is None):
            raise ValueError("give [model] and [hardware], or [steps]")
        if self.steps is not None and self.power is not None:
            raise ValueError("[power] needs [model] and [hardware]: given [steps] do not say what a clock costs")
        if self.attention_ffn is not None and (self.model is None or self.hardware is None or self.power is not None):
            raise ValueError("[attention_ffn] needs [model] and [hardware], and has no [power] yet")
        return self


def read_simulation(path: str | Path) -> Simulation:
    """Read a scenario file. Raises InputError naming file, key and fix."""
    return simulation_from(read_file(path, "scenario"), str(path))


def simulation_from(raw: dict[str, Any], path: str) -> Simulation:
    """A scenario from its parsed TOML; `path` is for messages and for files named relative to it."""
    schema = raw.get("schema", "scenario/1")
    if schema != "scenario/1":
        raise InputError(f"{schema!r} is no scenario", file=path, key="schema", fix='write schema = "scenario/1"')
    raw.setdefault("name", name_of(path))
    return build_from_file(Simulation, raw, path).replace(file=path)
