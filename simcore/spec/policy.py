"""How a model is served: what a deployment decides beyond the parallel plan."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simcore.spec.base import Spec

Slower = Annotated[float, Field(ge=1.0, le=2.0)]


class OverlapPart(Spec):
    """Micro-batches of a step that run beside each other (`simcore.step.overlap`)."""

    micro_batches: int = Field(default=1, ge=1, le=64)
    """into how many a step is cut; 1: it is not"""
    tiles: bool = False
    """they are tiles of fused kernels: weights are read once a step; else by each"""
    late: bool = False
    """a collective is waited for one block later (Ladder Residual)"""
    matrix_memory: Slower | None = None
    """seconds of one of a product and one of a read beside each other; None: by what they load. 2: nothing is hidden"""
    matrix_link: Slower | None = None
    """seconds of one of a product and one of a collective beside each other; None: by what they load"""
    memory_link: Slower | None = None
    """seconds of one of a read and one of a collective beside each other; None: by what they load"""

    @property
    def stated(self) -> tuple[float, float, float]:
        """Of pairs, 0 where nothing is said."""
        return self.matrix_memory or 0.0, self.matrix_link or 0.0, self.memory_link or 0.0


class ServingPolicy(Spec):
    """Serving choices that the analytic engine knows; schedulers of the event engine add their own.

    Tiers are names of memory tiers of the chip or node; "main" is the tier that the matrix unit reads.
    """

    memory_fraction: float | None = Field(default=None, gt=0, le=1)
    """share of the main tier that the server may use, as its stack counts it; None: the stack's default"""
    token_budget: int = Field(default=8192, ge=1)
    """tokens of the longest step, for which memory is kept"""
    max_running: int | None = Field(default=None, ge=1)
    """sequences that a step may sample, for which memory is kept; None: the stack's default"""
    graphs: bool = True
    """decode steps replay a captured graph; prefill launches kernel by kernel"""
    kv_tier: str = "main"
    kv_fetch: Literal["step", "prefetch"] = "step"
    """attention reads KV where it lies, or a layer's KV comes to the main tier while the layer before computes"""
    weight_tier: str = "main"
    """weights kept elsewhere are streamed once per step, prefetched behind the compute of the layer before"""
    weight_away_ratio: float = Field(default=1.0, gt=0, le=1)
    """of the weights, what lives in `weight_tier`"""
    expert_tier: str | None = None
    """of routed experts; None: as the other weights"""
    expert_away_ratio: float = Field(default=1.0, gt=0, le=1)
    weight_fetch: Literal["step", "demand", "prefetch", "window"] = "step"
    """one layer ahead, or on demand; of experts too"""
    expert_fetch: Literal["all", "gated", "pre-gated", "speculative", "host"] = "all"
    """all experts of a layer come; or those that tokens ask for, waited for behind their router or a layer ahead, or
    guessed a layer ahead and waited for where the guess is wrong; or none, and the host multiplies where they lie"""
    expert_accuracy_ratio: float = Field(default=1.0, ge=0, le=1)
    """of the experts that tokens ask for, how many the guess brings"""
    expert_host_flop_per_s: float = Field(default=0.0, ge=0)
    """of the host, one chip's share"""
    expert_cache: Literal["static", "lru", "lfu", "score"] = "static"
    """which experts stay in the main tier"""
    expert_skew_ratio: float = Field(default=0.0, ge=0, le=4)
    """exponent of Zipf's law of their popularity"""
    expert_repeat_ratio: float = Field(default=0.0, ge=0, le=1)
    """of a token's choices, those of the token before it"""
    pim_attention: bool = True
    """decode attention may run on the tier's PIM unit where that is faster"""
    sub_batches: bool = False
    """two half batches alternate between matrix unit and PIM, where the PIM may run beside its host"""
    imbalance_ratio: float = Field(default=1.0, ge=1)
    """load of the busiest expert rank over the mean"""
    mixes: bool = True
    """steps hold prefill chunks beside decodes; else a step prefills or decodes"""
    overlap: OverlapPart | None = None
    """micro-batches beside each other; None: one operation after the other"""
    stream_interval: int = Field(default=1, ge=1)
    """clients get tokens in groups of this size"""
    fill_s: float = Field(default=0.0, ge=0)
    """a step that takes less is filled with another job's work, up to so long"""
    reserve_output: bool = False
    """KV is kept for the whole answer when a request starts; else as it grows"""
