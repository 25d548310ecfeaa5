"""A model's architecture, layer by layer; its blocks are in `simcore.spec.blocks`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from math import gcd
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, WrapValidator

from simcore.registry import GROUPS, PluginRegistry, normal, own_thing
from simcore.spec.base import Count, Sourced, Spec, Whole
from simcore.spec.block_kinds import Domain, FeedForward, Matrix, MixerBlock, Part, matrix
from simcore.spec.blocks import Attention, Indexer, LinearAttention, Mamba2, Mla, Mlp, Moe
from simcore.spec.layer_formats import LayerFormats

__all__ = (
    "Attention",
    "FeedForward",
    "Indexer",
    "LayerGroup",
    "LinearAttention",
    "Mamba2",
    "Matrix",
    "MixerBlock",
    "Mla",
    "Mlp",
    "ModelSpec",
    "Moe",
    "Part",
    "matrix",
)


PLAIN = ("attention", "mla", "linear", "mamba2", "mlp", "moe")
MORE = PluginRegistry("block", "simcore.ops.blocks", "SPEC", GROUPS["block"])
"""kinds whose one file holds both what they say (`SPEC`) and their operations"""


def _ones_own(value: Any, shipped: Callable[[Any], Any]) -> Any:
    """A block of a kind that was registered or that a package offers, else one of the shipped."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    own = own_thing(GROUPS["block"], normal(kind)) if isinstance(kind, str) else None
    if own is None and isinstance(kind, str) and kind not in PLAIN and normal(kind) in MORE.modules:
        own = MORE.implementation(kind)
    return shipped(value) if own is None or not hasattr(own, "SPEC") else own.SPEC.model_validate(value)


Shipped = Annotated[Attention | Mla | LinearAttention | Mamba2, Field(discriminator="kind")]
Mixer = Annotated[SerializeAsAny[Shipped], WrapValidator(_ones_own)]
Ffn = Annotated[SerializeAsAny[Annotated[Mlp | Moe, Field(discriminator="kind")]], WrapValidator(_ones_own)]


class LayerGroup(Spec):
    """`count` equal layers: an optional token mixer, then feed-forward blocks side by side (usually one).

    Groups gather equal layers wherever they stand in the model; their order is that of first appearance.
    """

    count: Count
    """of equal layers"""
    mixer: Mixer | None = None
    """what mixes tokens: attention or what stands for it; None: nothing does"""
    ffn: tuple[Ffn, ...] = ()
    """feed-forward blocks, side by side"""
    norms: Whole = 2
    """normalisations of hidden_size per layer"""
    prefill: Literal["all", "cache", "last"] = "all"
    """what a prefill does here: every token; every token's cache but only the last token's output (SwiftKV); or the
    last token alone, whose cache is another layer's (decoder of YOCO, SambaY)"""
    formats: LayerFormats | None = None
    """of these layers, where they differ from the plan's"""


class ModelSpec(Sourced):
    """A decoder-only language model. Parameters in elements; formats are chosen by the plan, `native_format` is the
    checkpoint's own."""

    family: str
    """of architectures that it belongs to, such as qwen3; told only"""
    hidden_size: Count
    """elements of a token between layers"""
    vocab_size: Count
    """rows of the embedding table and of the LM head"""
    layers: tuple[LayerGroup, ...] = Field(min_length=1)
    """groups of equal layers, in the order of their first appearance"""
    tied_embeddings: bool = False
    """the LM head is the embedding table"""
    max_context_tokens: Count | None = None
    """longest context, input and output together; None: not known"""
    native_format: str = "bf16"
    """weights of the checkpoint, routed experts aside"""
    expert_format: str | None = None
    """routed experts of the checkpoint; None: as `native_format`"""
    kv_format: str = "bf16"
    """of the KV cache, where the plan names none"""
    position_tokens: Whole = 0
    """rows of a learned position table (GPT-2, OPT); 0: none"""
    embedding_norm: bool = False
    """a normalisation straight after the embedding (BLOOM)"""
    card_tables: Literal[0, 1, 2] | None = None
    """embedding and head tables that the vendor's count of active parameters includes; None: all"""
    mtp_layers: Whole = 0
    """multi-token-prediction layers shipped with the checkpoint, not counted in `parameters`"""
    other_parameters: int = Field(default=0, ge=0)
    """parameters outside the language model (a vision tower), never in a decode step"""
    norm_bias: bool = False
    """normalisations have a bias beside their scale"""

    @property
    def in_plan_formats(self) -> ModelSpec:
        """The model without formats of single layers."""
        if all(group.formats is None for group in self.layers):
            return self
        return self.replace(layers=tuple(group.replace(formats=None) for group in self.layers))

    @cached_property
    def layer_count(self) -> int:
        return sum(group.count for group in self.layers)

    @cached_property
    def attention_layers(self) -> int:
        return sum(g.count for g in self.layers if g.mixer is not None and g.mixer.kv_elements_per_token)

    @cached_property
    def is_moe(self) -> bool:
        return any(f.routed_experts for g in self.layers for f in g.ffn)

    @cached_property
    def min_heads(self) -> int:
        """Heads that tp must divide: the greatest common divisor over the layers."""
        return gcd(*(g.mixer.split_heads for g in self.layers if g.mixer is not None))

    @cached_property
    def experts(self) -> int:
        """Routed experts per MoE layer (0: dense)."""
        return max((f.routed_experts for g in self.layers for f in g.ffn), default=0)

    @property
    def architecture(self) -> str:
        """Width, layers and parameters in words: what copies of one model under other names share.

        Quantised and fine-tuned copies are one architecture; `5120x64-33B` is Qwen3-32B, whatever its release.
        """
        return f"{self.hidden_size}x{self.layer_count}-{self.parameters / 1e9:.0f}B"

    @cached_property
    def parameters(self) -> int:
        """All parameters of the language model, MTP layers excluded."""
        return self.embedding_parameters + sum(
            g.count * sum(n for _, n in self.group_parameters(g)) for g in self.layers
        )

    @cached_property
    def active_parameters(self) -> int:
        """Parameters that one token's forward pass uses, tables counted as the vendor does (`card_tables`)."""
        idle = sum(
            g.count
            * sum(m.elements for m in f.routed(self.hidden_size))
            * (f.routed_experts - f.chosen_experts)
            // f.routed_experts
            for g in self.layers
            for f in g.ffn
            if f.routed_experts
        )
        tables = 1 if self.tied_embeddings else 2
        uncounted = 0 if self.card_tables is None else tables - self.card_tables
        return self.parameters - idle - uncounted * self.head_elements

    @cached_property
    def layer_matrix_elements(self) -> int:
        """Weight elements of all layers that multiply one token: 2 FLOP each. Biases and norms are left out."""
        total = 0
        for group in self.layers:
            found = [] if group.mixer is None else list(group.mixer.matrices(self.hidden_size))
            for block in group.ffn:
                found += block.token_matrices(self.hidden_size)
            total += group.count * sum(m.inputs * m.outputs for m in found)
        return total

    @property
    def head_elements(self) -> int:
        """Weight elements of the LM head, tied or not."""
        return self.vocab_size * self.hidden_size

    @property
    def embedding_parameters(self) -> int:
        """Tables, learned positions and the final norm."""
        tables = 1 if self.tied_embeddings else 2
        norm = self.hidden_size * (2 if self.norm_bias else 1)
        rows = tables * self.vocab_size + self.position_tokens
        return rows * self.hidden_size + norm * (2 if self.embedding_norm else 1)

    def group_parameters(self, group: LayerGroup) -> Iterator[tuple[Domain, int]]:
        """(domain, elements) of one layer of the group."""
        if group.mixer is not None:
            own = sum(m.elements for m in group.mixer.matrices(self.hidden_size))
            yield "attention", own + group.mixer.small_elements()
        yield "attention", group.norms * self.hidden_size * (2 if self.norm_bias else 1)
        for block in group.ffn:
            yield from block.parameters(self.hidden_size)

    def kv_elements_per_token(self, context_tokens: float | None = None) -> float:
        """Cache elements per token of context, all layers; with a context length, windowed layers count their share."""
        total = 0.0
        for group in self.layers:
            if group.mixer is None:
                continue
            kept = group.mixer.kept_tokens
            share = min(1.0, kept / context_tokens) if context_tokens and kept else 1.0
            total += group.count * share * group.mixer.kv_elements_per_token
        return total
