"""The whole question as a person writes it: `schema = "scenario/2"`, a table per part, one file for every verb."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from simcore.spec.base import MOST_COUNT, Count, FileName, Spec, Whole
from simcore.spec.plan import ParallelPlan
from simcore.units import BytesPerS, Capacity, Seconds, Watts


class ModelPart(Spec):
    """Which model: a shipped name, a Hugging Face name, a path, or the tables of a model file in place."""

    model_config = ConfigDict(extra="allow")
    name: str = ""

    @property
    def value(self) -> str | dict[str, Any]:
        """The name or path, or the inline table."""
        extra = dict(self.model_extra or {})
        return {"name": self.name or "inline", **extra} if extra else self.name


class HardwarePart(Spec):
    """A chip in its usual home, a node or a cluster, by name, path or inline; and the software stack."""

    system: str | dict[str, Any]
    stack: str | None = None
    """a stack with an optional release, `vllm@0.19`; None: vllm where the chip has its tables, else datasheet"""
    chip: dict[str, Any] = Field(default_factory=dict)
    """fields of the chip's spec to change, by dotted path; quantities with units, or factors such as "2x" """


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

    scheduler: str | None = None
    options: dict[str, float] = Field(default_factory=dict)
    """of the scheduler, by the names that its file declares"""
    router: str = "least-outstanding"
    max_running: Count | None = None
    token_budget: Count | None = None
    prefill_budget: Count | None = None
    chunk_tokens: Count | None = None
    block_tokens: Count = 16
    watermark_blocks: Whole = 0
    memory_fraction: float | None = Field(default=None, gt=0, le=1)
    graphs: bool = True
    reserve_output: bool | None = None
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
    stream_interval: Count | None = None
    """clients get tokens in groups of this size"""
    detokenise_s: Seconds = Field(default=0.0, alias="detokenise")
    """on top of what the stack's calibration holds, once per request"""
    sub_batches: bool = False
    """two half batches alternate between matrix unit and PIM, where the PIM may run beside its host"""
    pim_attention: bool = True
    """decode attention may run on the tier's PIM unit where that is faster"""
    imbalance_ratio: float = Field(default=1.0, ge=1)
    """load of the busiest expert rank over the mean"""
    overlap_scheduling: bool = True
    """the server prepares a step while the one before runs (vLLM's async scheduling, SGLang's overlap schedule)"""
    hold_steps: Whole = 0
    """new prompts wait until every attention-dp rank has one, at most so many steps (TensorRT-LLM: enable_balance,
    timeout_iters)"""
    expert_kernels: str | None = None
    """the stack whose expert kernels this server runs, where they are not its own"""
    least_expert_tokens: Whole = 0
    """kernels that pad every expert to a tile read all experts in steps of fewer tokens"""
    output_s: Seconds = Field(default=0.0, alias="output")
    """the frontend streams one token in this time, whatever the chips"""
    compile_s: Seconds = Field(default=0.0, alias="compile")
    """kernels are compiled so long before the first step: the first burst waits"""
    launch: str | None = None
    """a server's own command line"""

    @model_validator(mode="after")
    def _offload_is_whole(self) -> PolicyPart:
        if (self.offload_capacity is None) != (self.offload_bandwidth is None):
            raise ValueError("offload_capacity and offload_bandwidth go together")
        if self.launch is not None:
            raise ValueError("launch commands are not read yet; write their settings as keys of [policy]")
        if self.offload_capacity is not None and not self.prefix_cache:
            raise ValueError("offload_capacity needs prefix_cache = true")
        if self.tiers and (self.offload_capacity is not None or not self.prefix_cache):
            raise ValueError("tiers need a prefix_cache, and replace offload_capacity and offload_bandwidth")
        if len({tier.name for tier in self.tiers}) < len(self.tiers):
            raise ValueError("two tiers have the same name")
        return self


Tokens = Annotated[float, Field(gt=0, le=MOST_COUNT)]
LengthsPart = Count | tuple[Count, Count] | dict[str, Tokens]


class SharedPrefixPart(Spec):
    """Prompts begin with one of `prompts` system prompts of `tokens` tokens, round after round."""

    tokens: Count
    prompts: Count = 1
    per_prompt: Count = 1
    """users per system prompt, each with the rest of a prompt of his own that repeats; 1: whole prompts repeat"""


class TrafficPart(Spec):
    """A trace file, or generated requests; open loop by rate, or a closed loop of users."""

    trace: str | None = None
    """a file, relative to the scenario; $NAME is taken from the environment"""
    form: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    """of a trace: role (arrival, input, output, session, turn, class, hashes) -> name of its column"""
    time_unit: Literal["s", "ms", "us", "ns", "min", "h"] | None = None
    """of numeric arrivals of a trace; None: as its columns or its format say"""
    hash_tokens: Count | None = None
    """input tokens that one prefix hash of a trace covers; None: as its format says or its hashes agree with"""
    rate_scale: float = Field(default=1.0, gt=0)
    input_scale: float = Field(default=1.0, gt=0)
    output_scale: float = Field(default=1.0, gt=0)
    head: Count | None = None
    name: str | None = None
    """lengths of a named traffic"""
    input_tokens: LengthsPart | None = None
    """a fixed length, a uniform range [low, high], or quantiles { "0.1" = 559, "0.5" = 575 }"""
    output_tokens: LengthsPart | None = None
    input_median_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    input_p90_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    output_median_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    output_p90_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    """lognormal lengths with these quantiles"""
    longest_tokens: int | None = Field(default=None, ge=2, le=MOST_COUNT)
    """lognormal lengths: inputs are cut so that input and output together stay below"""
    requests: Count = 1000
    arrivals: Literal["poisson", "gamma", "constant", "once"] = "poisson"
    rate_per_s: float | None = Field(default=None, gt=0)
    cv: float = Field(default=1.0, gt=0)
    users: Count | None = None
    """a closed loop of so many users, all replicas together"""
    batch: Count | None = None
    """requests in flight per replica, a steady state"""
    shared_prefix: SharedPrefixPart | None = None
    think_s: Seconds = Field(default=1e-6, alias="think")
    turns: Count = 1
    """generated requests open sessions of so many turns, each with all before it as its input"""
    pause_s: Seconds = Field(default=0.0, alias="pause")
    """mean of the exponential pause before the next turn (a tool's, or a person's)"""
    copies: Count = 1
    """generated requests: each turn is sent so many times at once"""
    wait: bool = False
    """sessions are a closed loop: a turn is sent a pause after all answers of the turn before it are complete"""

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
        loads = [n for n in ("users", "batch", "rate_per_s") if getattr(self, n) is not None]
        if len(loads) > 1:
            raise ValueError(f"give one load: {' or '.join(loads)}")
        if self.trace is None and not loads and self.arrivals != "once":
            raise ValueError("needs a load: rate_per_s, users, batch, or arrivals = 'once'")
        return self


class PlanPart(Spec):
    """A parallel plan; formats left out are the checkpoint's own. Give dp, or chips of the whole deployment."""

    tp: Count = 1
    pp: Count = 1
    dp: Count | None = None
    attention_dp: Count = 1
    ep: Count = 1
    cp: Count = 1
    sp: bool = False
    vpp: Count = 1
    chips: Count | None = None
    weights: str | None = None
    experts: str | None = None
    activations: str | None = None
    kv: str | None = None

    @model_validator(mode="after")
    def _dp_or_chips(self) -> PlanPart:
        if self.chips is not None and self.dp is not None:
            raise ValueError("give dp or chips, not both")
        own = self.tp * self.pp * self.attention_dp * self.cp
        if self.chips is not None and self.chips % own:
            raise ValueError(f"chips = {self.chips} is no multiple of the {own} chips of a replica")
        return self

    @property
    def replica_chips(self) -> int:
        """Chips of one replica."""
        return self.tp * self.pp * self.attention_dp * self.cp

    @property
    def replicas(self) -> int:
        """dp, or what the chips give."""
        return self.dp or (self.chips or self.replica_chips) // self.replica_chips

    @property
    def degrees(self) -> dict[str, Any]:
        """Fields of a `ParallelPlan` without formats."""
        names = ("tp", "pp", "attention_dp", "ep", "cp", "sp")
        return {name: getattr(self, name) for name in names} | {"dp": self.replicas}

    @property
    def formats(self) -> dict[str, str]:
        """The formats that are stated."""
        names = ("weights", "experts", "activations", "kv")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


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

    quantile: float = Field(default=0.5, gt=0, lt=1)
    """of the input length at which estimates and sweeps tell TTFT"""

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


class ObjectivePart(Spec):
    """What a sweep or a search improves; names are those of the results."""

    minimise: tuple[str, ...] = ()
    maximise: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    rank_by: str | None = None
    """None: the first of `minimise`"""
    reference: tuple[float, ...] | None = None
    """corner of the hypervolume, minimised outputs first"""


class SearchPart(Spec):
    """How a space is searched."""

    method: str = "surrogate"
    budget: float = Field(default=200, gt=0)
    seed: int = 0
    batch: Count | None = None
    engine: Literal["estimate", "simulate"] = "estimate"
    settings: dict[str, Any] = Field(default_factory=dict)


class ResidencyPart(Spec):
    """Where a class of tensors lives and how it is fetched."""

    tier: str
    fetch: Literal["resident", "step", "demand", "prefetch", "window"] = "step"
    share: float = Field(default=1.0, gt=0, le=1)


CLASSES = ("weights", "experts", "kv", "state", "activations", "gradients", "optimizer")
"""of tensors that may live elsewhere"""


class Scenario(Spec):
    """The whole question. A verb uses the parts that it needs; what an engine cannot honour it refuses by name."""

    name: FileName
    title: str = ""
    file: str = ""
    seed: int = 0
    warm_ratio: float = Field(default=0.0, ge=0, lt=0.5)
    """share of the arrival span left out at the start and at the end of the statistics"""
    model: ModelPart | None = None
    hardware: HardwarePart | None = None
    steps: StepsPart | None = None
    plan: PlanPart | ParallelPlan = Field(default=PlanPart(), union_mode="left_to_right")
    """a `ParallelPlan` once names are looked up: formats filled in"""
    policy: PolicyPart = PolicyPart()
    residency: dict[str, ResidencyPart] = Field(default_factory=dict)
    traffic: TrafficPart | None = None
    slo: SloPart = SloPart()
    economics: dict[str, Any] = Field(default_factory=dict)
    fleet: FleetPart | None = None
    power: PowerPart | None = None
    attention_ffn: AttentionFfnPart | None = None
    models: tuple[dict[str, Any], ...] = ()
    jobs: tuple[dict[str, Any], ...] = ()
    training: dict[str, Any] | None = None
    vary: dict[str, Any] = Field(default_factory=dict)
    laws: dict[str, str] = Field(default_factory=dict)
    objective: ObjectivePart = ObjectivePart()
    search: SearchPart = SearchPart()
    notes: tuple[str, ...] = ()
    """what the reader of the file must tell"""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, raw: Any) -> Any:
        """`weights = "ddr"` for `weights = { tier = "ddr" }`."""
        if isinstance(raw, dict) and isinstance(raw.get("residency"), dict):
            places = {k: {"tier": v} if isinstance(v, str) else v for k, v in raw["residency"].items()}
            return {**raw, "residency": places}
        return raw

    @model_validator(mode="after")
    def _has_physics(self) -> Scenario:
        if self.steps is None and (self.model is None or self.hardware is None):
            raise ValueError("give [model] and [hardware], or [steps]")
        if self.steps is not None and self.power is not None:
            raise ValueError("[power] needs [model] and [hardware]: given [steps] do not say what a clock costs")
        if self.attention_ffn is not None and (self.model is None or self.hardware is None or self.power is not None):
            raise ValueError("[attention_ffn] needs [model] and [hardware], and has no [power] yet")
        for name in self.residency:
            if name not in CLASSES:
                raise ValueError(f"residency.{name}: no class of tensors; known: {', '.join(CLASSES)}")
        return self
