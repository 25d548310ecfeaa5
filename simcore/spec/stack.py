"""What a serving stack does by default, as its documentation and source say: how it divides memory, what it refuses."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simcore.spec.base import Sourced, Spec
from simcore.units import Bytes, Seconds

Rule = Literal["card", "static", "free"]


class StackMemory(Spec):
    """How a server sizes its KV pool on a card that reports R bytes, at a memory fraction f.

    `card` (vLLM): f R - weights - peak of a profiling step - context. `static` (SGLang): f (R - context) - weights;
    activations live in the rest. `free` (TensorRT-LLM): f (R - context - weights - peak). Wrong where another process
    holds memory of the card, and for buffers that a kernel library allocates on its own.
    """

    rule: Rule = "card"
    """how its pool follows from the fraction: as vLLM (card), SGLang (static) or TensorRT-LLM (free) do"""
    fraction: float = Field(default=0.9, gt=0, le=1)
    """f where the scenario does not say"""
    context_bytes: Bytes = Field(default=0.0, alias="context")
    """outside the framework's allocator, per process: CUDA context, kernels' workspaces"""
    collective_bytes: Bytes = Field(default=0.0, alias="collective")
    """more of it where the chips of a replica exchange data (communicators and their buffers)"""
    logit_bytes: float = Field(default=4.0, gt=0)
    """held per logit at the peak of sampling"""
    sequences: int = Field(default=256, ge=1)
    """most sequences of a step, sampled at once by the profiling step, where the scenario does not say"""
    large_sequences: int | None = Field(default=None, ge=1)
    """as `sequences`, on a card of at least `large`; None: no difference"""
    large_bytes: Bytes = Field(default=float("inf"), alias="large")
    """as the card reports it"""

    def sampled(self, reported_bytes: float) -> int:
        """Most sequences of a step on a card that reports so many bytes."""
        large = self.large_sequences is not None and reported_bytes >= self.large_bytes
        return self.large_sequences if large and self.large_sequences is not None else self.sequences


class StackServing(Spec):
    """What a server decides where nobody says otherwise."""

    scheduler: str = "chunked"
    """a file of `simcore.policy.scheduler`"""
    token_budget: int = Field(default=2048, ge=1)
    """tokens of a step"""
    large_token_budget: int | None = Field(default=None, ge=1)
    """the same on a card of at least `memory.large`"""
    reserve_output: bool = False
    """KV is kept for the whole answer when a request starts"""
    stream_interval: int = Field(default=1, ge=1)
    """clients get tokens in groups of this size"""
    graph_tokens: int = Field(default=0, ge=0)
    """largest step, with or without a chunk, that is captured as a graph; 0: decodes alone are"""
    overlap_scheduling: bool = True
    """a step is prepared while the one before runs"""
    graph_tokens_per_sequence: int = Field(default=2, ge=1)
    """the same per sequence that may run"""

    def captured_tokens(self, sequences: int) -> int:
        """Largest step of a server of so many sequences that runs from a graph though it holds a chunk."""
        return min(self.graph_tokens, self.graph_tokens_per_sequence * sequences)

    def budget(self, reported_bytes: float, memory: StackMemory) -> int:
        """Tokens of a step on a card that reports so many bytes."""
        large = self.large_token_budget is not None and reported_bytes >= memory.large_bytes
        return self.large_token_budget if large and self.large_token_budget is not None else self.token_budget


class StackLoader(Spec):
    """What a server refuses to load or to serve."""

    whole_blocks: bool = False
    """a rank's slice of a block-quantised matrix must be whole blocks"""
    whole_heads: bool = False
    """tp and the KV heads: one must divide the other"""
    within_context: bool = False
    """a request may not be longer than the model's context"""


class StackAdds(Spec):
    """What a server adds to a step, stated rather than fitted; what is left out is as the fit of `effects` says.

    The fields of `simcore.step.served.Served`.
    """

    layer_s: Seconds | None = Field(default=None, alias="layer")
    """per layer and step: gaps and small kernels that no table has"""
    launch_layer_s: Seconds | None = Field(default=None, alias="launch_layer")
    """per layer, what a step without a captured graph takes at least: its kernels are launched one by one"""
    host_s: Seconds | None = Field(default=None, alias="host")
    """per step, the launch of a captured graph included"""
    mixed_host_s: Seconds | None = Field(default=None, alias="mixed_host")
    """per step with a prefill chunk, on top"""
    sequence_s: Seconds | None = Field(default=None, alias="sequence")
    """per step and sequence: sampler, detokeniser and stream of one token"""
    first_token_s: Seconds | None = Field(default=None, alias="first_token")
    """once per request, before its first token: HTTP and detokeniser"""
    token_s: Seconds | None = Field(default=None, alias="token")
    """per input token, one prompt after the other: tokeniser"""
    large_ratio: float | None = Field(default=None, gt=0)
    """on the times of dense matrices: from 1 at 256 tokens of a step to this at 1024, by the logarithm"""
    expert_large_ratio: float | None = Field(default=None, gt=0)
    """on the times of routed experts, as `large_ratio`"""
    attention_ratio: float | None = Field(default=None, gt=0)
    """on the times of attention"""

    @property
    def stated(self) -> dict[str, float]:
        """The fields that are stated."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}


class Untuned(Spec):
    """Kernels that a release ships without tiles for a generation of chips."""

    generations: tuple[str, ...] = ()
    """of chips, as `architecture` of a chip file, without -ultra at its end"""
    expert_ratio: float = Field(default=1.0, ge=1)
    """bf16 experts with default tiles over those with tuned ones"""

    def ratio(self, generation: str, expert_format: str) -> float:
        """How much slower experts are there."""
        return self.expert_ratio if expert_format == "bf16" and generation in self.generations else 1.0


class StackRelease(Spec):
    """Where releases of a stack differ from the newest."""

    versions: tuple[str, ...] = Field(min_length=1)
    """their first numbers: "0.11" """
    effects: str
    """the fitted server effects of these releases"""
    overlap_scheduling: bool = True
    """they prepare a step while the one before runs"""
    untuned: Untuned = Untuned.plain()
    """kernels without tiles of their own in these releases"""


class Stack(Sourced):
    """A serving stack as documented."""

    kernels: str = "datasheet"
    """the cost model that times its kernels, by name"""
    effects: str = ""
    """the stack whose fitted server effects it has; empty: none"""
    releases: tuple[StackRelease, ...] = ()
    """what differs from the newest"""
    untuned: Untuned = Untuned.plain()
    """kernels that the newest release has no tiles for"""
    adds: StackAdds = StackAdds.plain()
    """what it adds to a step, stated rather than fitted"""
    memory: StackMemory = StackMemory.plain()
    """how it divides a card's memory"""
    serving: StackServing = StackServing.plain()
    """what it decides where nobody says otherwise"""
    loader: StackLoader = StackLoader.plain()
    """what it refuses"""

    def release(self, version: str) -> Stack:
        """The stack at a version such as 0.11.1; itself where nothing is known of that version.

        >>> Stack(name="s", releases=(StackRelease(versions=["0.11"], effects="old"),)).release("0.11.1").effects
        'old'
        """
        known = {first: one for one in self.releases for first in one.versions if f"{version}.".startswith(f"{first}.")}
        if known:
            one = known[max(known, key=len)]
            serving = self.serving.replace(overlap_scheduling=one.overlap_scheduling)
            return self.replace(effects=one.effects, untuned=one.untuned, serving=serving)
        return self
