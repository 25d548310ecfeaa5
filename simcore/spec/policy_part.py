"""The [policy] of a scenario: scheduler, limits, caches, and how the server was started."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from simcore.spec.base import Count, Spec, Whole
from simcore.spec.policy import OverlapPart
from simcore.units import BytesPerS, Capacity, Seconds


class TierPart(Spec):
    """A tier below the prefix cache of a replica, or a pool that all replicas share."""

    name: str
    """by which answers name it"""
    capacity: Capacity
    """of a replica's own, or of the whole shared pool"""
    read: BytesPerS
    """bandwidth of bringing prefixes back, all chips of a replica together (of a shared pool: all replicas)"""
    write: BytesPerS | None = None
    """bandwidth downwards; None: as `read`"""
    latency_s: Seconds = Field(default=0.0, alias="latency")
    """once per run of blocks that a request fetches"""
    shared: bool = False
    """one pool, with one link, of all replicas"""


class PolicyPart(Spec):
    """Scheduler, limits and router; the names are files of `simcore.policy`."""

    scheduler: str | None = None
    """how a step is composed: a file of `simcore.policy.scheduler`; None: the stack's, `chunked` with given [steps]"""
    options: dict[str, float] = Field(default_factory=dict)
    """of the scheduler, by the names that its file declares"""
    rank: str | None = None
    """of scheduler `ranked`: arithmetic on a request by which its queue is ordered, lowest first"""
    router: str = "least-outstanding"
    """which replica a request goes to: a file of `simcore.policy.router`"""
    max_running: Count | None = None
    """sequences of a replica that run at once; None: the stack's, 256 with given [steps]"""
    token_budget: Count | None = None
    """tokens of a step, decodes included; None: the stack's, 8192 with given [steps]"""
    prefill_budget: Count | None = None
    """tokens of prompts in a step; None: `token_budget` alone bounds them"""
    chunk_tokens: Count | None = None
    """the longest part of one prompt in a step; None: the budgets alone bound it"""
    block_tokens: Count = 16
    """of one KV block"""
    watermark_blocks: Whole = 0
    """KV blocks that must stay free when a request is admitted"""
    memory_fraction: float | None = Field(default=None, gt=0, le=1)
    """share of the main tier that the server may use, as its stack counts it; None: the stack's"""
    graphs: bool = True
    """decode steps replay a captured graph; else they launch kernel by kernel"""
    graph_tokens: Whole | None = None
    """largest step with a prefill chunk that runs from a captured graph (vLLM: --max-cudagraph-capture-size); None: as
    the stack captures them for its sequences"""
    reserve_output: bool | None = None
    """KV is kept for the whole answer when a request starts; else as it grows; None: as the stack does"""
    whole_prompt: bool = True
    """KV of a whole prompt is taken when it starts; else chunk by chunk"""
    ahead: bool = False
    """a step is composed while the one before runs: it sees arrivals and freed KV one step late"""
    prefix_cache: bool | Literal["hash", "radix"] = False
    """true is "hash": a second copy of a prefix stays with its request; "radix": every prefix is held once"""
    evict: str = "lru"
    """which prefix is forgotten first: a file of `simcore.policy.cache`"""
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
    """scheduler `static`: how long the first request waits for the batch to fill; 0: it starts at once"""
    draft_tokens: Whole = 0
    """speculation: tokens drafted in a row for each sequence of a decode step, which verifies them; 0: none"""
    draft_width: Count = 1
    """candidates at each of `draft_tokens` depths; all are verified, the first goes on"""
    acceptance_ratio: float = Field(default=0.0, ge=0, lt=1)
    """probability that a drafted token is accepted where the one before it was"""
    draft_s: Seconds = Field(default=0.0, alias="draft")
    """what drafting adds to each step of decodes alone"""
    host_s: Seconds = Field(default=0.0, alias="host")
    """host time per step that the device waits for"""
    overlap: OverlapPart | None = None
    """micro-batches of a step beside each other: what hides follows from what each operation loads"""
    communication_overlap_ratio: float = Field(default=0.0, ge=0, le=1)
    """of given [steps]: share of the shorter of compute and communication that hides under the other"""
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
    overlap_scheduling: bool | None = None
    """the server prepares a step while the one before runs (vLLM's async scheduling, SGLang's overlap schedule); as the
    stack's release does where it is not said"""
    effects: Literal["server", "kernels"] = "server"
    """what is added to the operators' times: `server`, what a whole server adds, fitted per stack; `kernels`, what
    tables of single calls do not hold (cold KV, tiles of FlashAttention-2, small kernels), for replays that trace it"""
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
    """a server's own command line: its settings are read into the scenario, and it is gone from it"""

    @model_validator(mode="after")
    def _offload_is_whole(self) -> PolicyPart:
        if (self.offload_capacity is None) != (self.offload_bandwidth is None):
            raise ValueError("offload_capacity and offload_bandwidth go together")
        if self.rank is not None and self.scheduler != "ranked":
            raise ValueError('rank is for scheduler = "ranked"')
        if self.scheduler == "ranked" and not self.rank:
            raise ValueError('scheduler = "ranked" needs rank, e.g. "input_tokens - 200 * priority"')
        if self.launch is not None:
            raise ValueError("a launch command is read from a file, --set or --launch; set its settings instead")
        if self.offload_capacity is not None and not self.prefix_cache:
            raise ValueError("offload_capacity needs prefix_cache = true")
        if self.tiers and (self.offload_capacity is not None or not self.prefix_cache):
            raise ValueError("tiers need a prefix_cache, and replace offload_capacity and offload_bandwidth")
        return self
