"""The [training] of a scenario: batch, formats, optimizer; what is sharded, recomputed, overlapped; failures."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from simcore.spec.base import Count, Spec
from simcore.units import BytesPerS, Seconds

Precision = Literal["fp16", "bf16", "fp8", "fp8-block", "mxfp8", "fp4"]
ALIASES = {"nvfp4": "fp4", "fp8-tensor": "fp8", "bfloat16": "bf16"}


class OverlapPart(Spec):
    """Which collectives run beside computation; what is not said is the framework's documented default."""

    tp: bool | None = None
    """of tensor parallelism, behind the matrices of the same layer"""
    dp: bool | None = None
    """gradients behind the last backward pass, gathered weights behind the first forward pass"""
    ep: bool | None = None
    """dispatch and combine behind the other microbatch's computation"""
    cp: bool | None = None
    """keys and values of other ranks, behind attention"""


class CheckpointPart(Spec):
    """How the state is saved against failures."""

    kind: Literal["blocking", "asynchronous", "multi-level", "in-memory"] = "blocking"
    """blocking: the run waits for the whole write; asynchronous: for `snapshot` alone; multi-level, in-memory: the
    same, and most failures recover from a near copy"""
    interval_s: Seconds | None = Field(default=None, alias="interval", gt=0)
    """None: the best one"""
    bytes_per_s: BytesPerS | None = Field(default=None, alias="bandwidth")
    """of the storage, all chips together; None: `write` says"""
    write_s: Seconds | None = Field(default=None, alias="write")
    """seconds of one checkpoint; None: state over bandwidth"""
    snapshot_s: Seconds = Field(default=0.0, alias="snapshot")
    """asynchronous and beyond: what the copy to host memory stops the step for"""
    slow_every: Count = 8
    """multi-level: every so many go on to the slow storage"""
    fast_ratio: float = Field(default=0.9, ge=0, le=1)
    """multi-level and in-memory: share of failures from which the near copy recovers"""


class FailurePart(Spec):
    """What breaks, how long until it works again."""

    mtbf_s: dict[str, Seconds] = Field(default_factory=dict, alias="mtbf")
    """component -> mean time between failures of one; component: chip, node, link, or a word of one's own"""
    counts: dict[str, Count] = Field(default_factory=dict)
    """how many there are of a word of one's own; chip and node are known"""
    detect_s: Seconds = Field(default=60.0, alias="detect")
    """from a failure until it is noticed"""
    restart_s: Seconds = Field(default=600.0, alias="restart")
    """from detection to the first step with a spare at hand, checkpoint loaded"""
    repair_s: Seconds = Field(default=14400.0, alias="repair")
    """from a failure until its node is back as a spare; 0: nobody waits for a node"""
    spare_nodes: int = Field(default=0, ge=0)
    """hot spares: a failed node is replaced by one; without one the job waits for the repair"""


class Recipe(Spec):
    """How a model is trained."""

    recipe: str | None = None
    """a file of workloads/recipes whose keys stand where this table says nothing"""
    framework: str = "megatron-bridge"
    """whose constants: a file of hardware_specs/calibration/training; `datasheet`: none"""
    global_batch: Count
    """sequences per optimizer step"""
    microbatch: Count = 1
    """sequences of one forward and backward pass on a replica"""
    sequence_tokens: Count
    """of one sequence, padding included"""
    mean_tokens: Count | None = None
    """mean length of what fills a sequence; None: full. Packed, attention sees its own document only"""
    packed: bool = True
    """False: shorter sequences are padded, and only mean_tokens of each count"""
    tokens: float | None = Field(default=None, gt=0)
    """of the whole run, for its duration"""
    precision: Precision = "bf16"
    """what matrices multiply in; nvfp4, fp8-tensor and bfloat16 are other words for fp4, fp8 and bf16"""
    gradients: Literal["fp32", "bf16"] = "fp32"
    """format in which gradients are kept"""
    exchange: Literal["fp32", "bf16", "fp8", "1bit"] | None = None
    """format of gradients on the wire; None: as kept"""
    optimizer: str = "adam"
    """a word of `simcore.cost.optimizers`"""
    optimizer_rank: Count = 256
    """of low-rank optimizer states"""
    sync_interval: Count = 1
    """local steps between two exchanges of weights over dp (local SGD, DiLoCo)"""
    tune: Literal["full", "lora"] = "full"
    """what is trained: all weights, or low-rank adapters beside frozen ones"""
    lora_rank: Count = 16
    """of the adapters"""
    zero: Literal[0, 1, 2, 3] = 1
    """1: optimizer states, 2: gradients, 3: weights too are sharded (FSDP)"""
    shards: Count | None = None
    """ranks that share a state (HSDP, hierarchical ZeRO); None: all that hold the same weights"""
    expert_tp: Count = 1
    """ranks that split the matrices of each expert"""
    recompute: Literal["none", "selective", "alternate", "full"] = "none"
    """selective: the core of attention; alternate: every second matrix"""
    recompute_layers: Count | None = None
    """layers per stage that recompute; None: all"""
    recompute_modules: tuple[Literal["attention", "projection", "norm", "activation", "mlp", "moe"], ...] = ()
    """these are computed again; projection: low-rank up-projections of latent attention"""
    attention: Literal["flash", "unfused"] | None = None
    """None: the framework's"""
    context: Literal["ring", "gather", "ulysses"] = "ring"
    """how cp ranks see the whole sequence: keys and values in a ring or gathered, or heads for tokens (ulysses)"""
    schedule: str = "1f1b"
    """order of the pipeline's passes, a file of `simcore.engine.training.schedules`; 1f1b with vpp above 1 is
    interleaved"""
    stage_layers: tuple[Count, ...] = ()
    """layers of each pipeline chunk in order; empty: as even as can be, the ends fewer"""
    overlap: OverlapPart = OverlapPart.plain()
    """which collectives run beside computation"""
    graphs: Literal["off", "partial", "whole"] | None = None
    """None: the framework's"""
    capacity_ratio: float | None = Field(default=None, gt=0)
    """tokens that an expert takes over its mean load; None: dropless"""
    imbalance_ratio: float = Field(default=1.0, ge=1)
    """busiest expert rank over the mean, dropless"""
    mtp: bool = False
    """the model's multi-token-prediction layers are trained too"""
    straggler_ratio: float = Field(default=1.0, ge=1)
    """the slowest replica's computation over the mean"""
    failures: FailurePart | None = None
    """what breaks; None: nothing, and no goodput is told"""
    checkpoint: CheckpointPart = CheckpointPart.plain()
    """how the state is saved, where there are failures"""

    @model_validator(mode="before")
    @classmethod
    def _other_words(cls, raw: object) -> object:
        said = raw.get("precision") if isinstance(raw, dict) else None
        if isinstance(raw, dict) and isinstance(said, str) and said in ALIASES:
            return {**raw, "precision": ALIASES[said]}
        return raw

    @model_validator(mode="after")
    def _agrees(self) -> Recipe:
        if self.mean_tokens is not None and self.mean_tokens > self.sequence_tokens:
            raise ValueError(f"mean_tokens = {self.mean_tokens} exceeds sequence_tokens = {self.sequence_tokens}")
        if self.microbatch > self.global_batch:
            raise ValueError(f"microbatch = {self.microbatch} exceeds global_batch = {self.global_batch}")
        return self
