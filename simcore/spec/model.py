"""A model's architecture, layer by layer.

Every block lists its matrices once; parameter counts, memory and GEMM shapes all derive from that list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from simcore.spec.base import Sourced, Spec

Split = Literal["column", "row", "none"]
Domain = Literal["attention", "dense", "routed", "shared"]


@dataclass(frozen=True)
class Part:
    """A slice of a matrix's split dimension: `width` elements that divide into at most `pieces` (heads, KV heads)."""

    width: int
    pieces: int


@dataclass(frozen=True)
class Matrix:
    """A weight matrix y = x W, [inputs, sum of widths]. `column` splits outputs over tp, `row` splits inputs.

    A part with fewer pieces than ranks is replicated (KV heads when tp exceeds them).
    """

    name: str
    inputs: int
    parts: tuple[Part, ...]
    split: Split
    bias: bool = False
    copies: int = 1
    """independent matrices of this shape (experts)"""

    @property
    def outputs(self) -> int:
        return sum(part.width for part in self.parts)

    @property
    def elements(self) -> int:
        return self.copies * (self.inputs * self.outputs + (self.outputs if self.bias else 0))


def matrix(name: str, inputs: int, outputs: int, split: Split, *, bias: bool = False, copies: int = 1) -> Matrix:
    """A matrix with one part whose split dimension divides freely."""
    width = inputs if split == "row" else outputs
    return Matrix(name, inputs, (Part(outputs, width),), split, bias, copies)


class Attention(Spec):
    """Softmax attention with grouped KV heads (MHA: kv_heads = heads, MQA: 1)."""

    kind: Literal["attention"] = "attention"
    heads: int = Field(ge=1)
    kv_heads: int = Field(ge=1)
    head_dim: int = Field(ge=1)
    window_tokens: int | None = None
    """sliding window; None: full"""
    chunk_tokens: int | None = None
    """attention within aligned chunks of this many tokens (Llama 4)"""
    bias: bool = False
    output_bias: bool = False
    qk_norm: bool = False
    output_gate: bool = False
    """a gate as wide as the query multiplies the output (Qwen3.5)"""
    shared_kv: bool = False
    """one projection serves as key and value (Gemma 4's global layers)"""
    sinks: bool = False

    @property
    def span_tokens(self) -> int | None:
        """The furthest a query looks back; None: everything."""
        return self.window_tokens or self.chunk_tokens

    @property
    def kv_elements_per_token(self) -> int:
        """Elements written to the cache per token; a shared key is still stored with its value."""
        return 2 * self.kv_heads * self.head_dim

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        q = self.heads * self.head_dim * (2 if self.output_gate else 1)
        kv = (1 if self.shared_kv else 2) * self.kv_heads * self.head_dim
        qkv = Matrix("qkv", hidden_size, (Part(q, self.heads), Part(kv, self.kv_heads)), "column", self.bias)
        out = Matrix(
            "attention_out", self.heads * self.head_dim, (Part(hidden_size, self.heads),), "row", self.output_bias
        )
        return qkv, out

    def small_elements(self) -> int:
        return (2 * self.head_dim if self.qk_norm else 0) + (self.heads if self.sinks else 0)


class Indexer(Spec):
    """A sparse-attention indexer: picks `topk` tokens per query (DeepSeek-V3.2, GLM-5)."""

    heads: int
    head_dim: int
    topk: int


class Mla(Spec):
    """Multi-head latent attention: the cache holds one compressed vector per token (DeepSeek-V2)."""

    kind: Literal["mla"] = "mla"
    heads: int
    q_lora_rank: int | None = None
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int
    indexer: Indexer | None = None

    @property
    def span_tokens(self) -> int | None:
        return self.indexer.topk if self.indexer else None

    @property
    def kv_elements_per_token(self) -> int:
        index = self.indexer.head_dim if self.indexer else 0
        return self.kv_lora_rank + self.qk_rope_head_dim + index

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        head = self.qk_nope_head_dim + self.qk_rope_head_dim
        rank = self.q_lora_rank
        q_in = rank or hidden_size
        down = (rank or 0) + self.kv_lora_rank + self.qk_rope_head_dim
        found = [
            matrix("qkv_down", hidden_size, down, "none"),
            Matrix("q_up", q_in, (Part(self.heads * head, self.heads),), "column"),
            Matrix(
                "kv_up",
                self.kv_lora_rank,
                (Part(self.heads * (self.qk_nope_head_dim + self.v_head_dim), self.heads),),
                "column",
            ),
            Matrix("attention_out", self.heads * self.v_head_dim, (Part(hidden_size, self.heads),), "row"),
        ]
        if self.indexer:
            found.append(matrix("index_q", q_in, self.indexer.heads * self.indexer.head_dim, "none"))
            found.append(matrix("index_k", hidden_size, self.indexer.head_dim + self.indexer.heads, "none"))
        return tuple(found)

    def small_elements(self) -> int:
        return (self.q_lora_rank or 0) + self.kv_lora_rank + (2 * self.indexer.head_dim if self.indexer else 0)


class LinearAttention(Spec):
    """Gated delta-rule linear attention with a short convolution (Qwen3-Next, Qwen3.5). State instead of KV."""

    kind: Literal["linear"] = "linear"
    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    conv_width: int

    span_tokens: Literal[0] = 0
    kv_elements_per_token: Literal[0] = 0

    @property
    def state_elements(self) -> int:
        """Per sequence: recurrent matrices (kept in fp32) and the convolution's window."""
        return self.value_heads * self.key_dim * self.value_dim

    @property
    def conv_elements(self) -> int:
        return (self.conv_width - 1) * (2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim)

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        qk, v = 2 * self.key_heads * self.key_dim, self.value_heads * self.value_dim
        return (
            Matrix("qkvz", hidden_size, (Part(qk, self.key_heads), Part(2 * v, self.value_heads)), "column"),
            Matrix("ba", hidden_size, (Part(2 * self.value_heads, self.value_heads),), "column"),
            Matrix("attention_out", v, (Part(hidden_size, self.value_heads),), "row"),
        )

    def small_elements(self) -> int:
        channels = 2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim
        return self.conv_width * channels + 2 * self.value_heads + self.value_dim


class Mamba2(Spec):
    """State-space layer of Mamba-2: state [heads, head_dim, state_size] per sequence."""

    kind: Literal["mamba2"] = "mamba2"
    heads: int
    head_dim: int
    state_size: int
    groups: int
    conv_width: int

    span_tokens: Literal[0] = 0
    kv_elements_per_token: Literal[0] = 0

    @property
    def inner_size(self) -> int:
        return self.heads * self.head_dim

    @property
    def conv_channels(self) -> int:
        return self.inner_size + 2 * self.groups * self.state_size

    @property
    def state_elements(self) -> int:
        return self.heads * self.head_dim * self.state_size

    @property
    def conv_elements(self) -> int:
        return (self.conv_width - 1) * self.conv_channels

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        parts = (
            Part(2 * self.inner_size + self.heads, self.heads),
            Part(2 * self.groups * self.state_size, self.groups),
        )
        return (
            Matrix("mamba_in", hidden_size, parts, "column"),
            Matrix("attention_out", self.inner_size, (Part(hidden_size, self.heads),), "row"),
        )

    def small_elements(self) -> int:
        return (self.conv_width + 1) * self.conv_channels + 3 * self.heads + self.inner_size


class Mlp(Spec):
    """Feed-forward block, gated (SwiGLU and its like: three matrices) or plain (two)."""

    kind: Literal["mlp"] = "mlp"
    intermediate_size: int
    gated: bool = True
    bias: bool = False

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        up = (2 if self.gated else 1) * self.intermediate_size
        return (
            Matrix("mlp_up", hidden_size, (Part(up, self.intermediate_size),), "column", self.bias),
            Matrix("mlp_down", self.intermediate_size, (Part(hidden_size, self.intermediate_size),), "row", self.bias),
        )


class Moe(Spec):
    """Routed experts, `topk` per token, with optional shared experts that see every token."""

    kind: Literal["moe"] = "moe"
    experts: int
    topk: int
    intermediate_size: int
    shared_intermediate_size: int = 0
    """total width of the shared experts; 0: none"""
    shared_gate: bool = False
    gated: bool = True
    bias: bool = False
    router_bias: bool = False

    def routed(self, hidden_size: int) -> tuple[Matrix, ...]:
        up = (2 if self.gated else 1) * self.intermediate_size
        return (
            Matrix("expert_up", hidden_size, (Part(up, self.intermediate_size),), "column", self.bias, self.experts),
            Matrix(
                "expert_down",
                self.intermediate_size,
                (Part(hidden_size, self.intermediate_size),),
                "row",
                self.bias,
                self.experts,
            ),
        )

    def shared(self, hidden_size: int) -> tuple[Matrix, ...]:
        if not self.shared_intermediate_size:
            return ()
        return Mlp(intermediate_size=self.shared_intermediate_size, gated=self.gated).matrices(hidden_size)

    def router(self, hidden_size: int) -> Matrix:
        return matrix("router", hidden_size, self.experts, "none", bias=self.router_bias)


Mixer = Annotated[Attention | Mla | LinearAttention | Mamba2, Field(discriminator="kind")]
Ffn = Annotated[Mlp | Moe, Field(discriminator="kind")]


class LayerGroup(Spec):
    """`count` equal layers: an optional token mixer, then feed-forward blocks side by side (usually one)."""

    count: int = Field(ge=1)
    mixer: Mixer | None = None
    ffn: tuple[Ffn, ...] = ()
    norms: int = 2
    """normalisations of hidden_size per layer"""


class ModelSpec(Sourced):
    """A decoder-only language model. Parameters in elements; formats are chosen by the plan, `native_format` is the
    checkpoint's own."""

    family: str
    hidden_size: int
    vocab_size: int
    layers: tuple[LayerGroup, ...]
    tied_embeddings: bool = False
    max_context_tokens: int | None = None
    native_format: str = "bf16"
    kv_format: str = "bf16"
    mtp_layers: int = 0
    """multi-token-prediction layers shipped with the checkpoint, not counted in `parameters`"""
    other_parameters: int = 0
    """parameters outside the language model (a vision tower), never in a decode step"""
    norm_bias: bool = False

    @cached_property
    def layer_count(self) -> int:
        return sum(group.count for group in self.layers)

    @cached_property
    def attention_layers(self) -> int:
        return sum(g.count for g in self.layers if g.mixer is not None and g.mixer.kind in ("attention", "mla"))

    @cached_property
    def is_moe(self) -> bool:
        return any(f.kind == "moe" for g in self.layers for f in g.ffn)

    @cached_property
    def min_heads(self) -> int:
        """Heads that tp must divide, the smallest over the layers."""
        heads = [
            g.mixer.value_heads if isinstance(g.mixer, LinearAttention) else g.mixer.heads
            for g in self.layers
            if g.mixer is not None
        ]
        return min(heads)

    @cached_property
    def experts(self) -> int:
        """Routed experts per MoE layer (0: dense)."""
        return max((f.experts for g in self.layers for f in g.ffn if isinstance(f, Moe)), default=0)

    @cached_property
    def parameters(self) -> int:
        """All parameters of the language model, MTP layers excluded."""
        return self.embedding_parameters + sum(
            g.count * sum(n for _, n in self.group_parameters(g)) for g in self.layers
        )

    @cached_property
    def active_parameters(self) -> int:
        """Parameters that one token's forward pass uses, embedding table included as model cards count it."""
        idle = sum(
            g.count * sum(m.elements for m in f.routed(self.hidden_size)) * (f.experts - f.topk) // f.experts
            for g in self.layers
            for f in g.ffn
            if isinstance(f, Moe)
        )
        return self.parameters - idle

    @property
    def embedding_parameters(self) -> int:
        tables = 1 if self.tied_embeddings else 2
        return tables * self.vocab_size * self.hidden_size + self.hidden_size

    def group_parameters(self, group: LayerGroup) -> Iterator[tuple[Domain, int]]:
        """(domain, elements) of one layer of the group."""
        if group.mixer is not None:
            own = sum(m.elements for m in group.mixer.matrices(self.hidden_size))
            yield "attention", own + group.mixer.small_elements()
        yield "attention", group.norms * self.hidden_size * (2 if self.norm_bias else 1)
        for block in group.ffn:
            if isinstance(block, Moe):
                yield "routed", sum(m.elements for m in block.routed(self.hidden_size))
                shared = sum(m.elements for m in block.shared(self.hidden_size))
                gate = self.hidden_size if block.shared_gate else 0
                yield "shared", shared + gate + block.router(self.hidden_size).elements
            else:
                yield "dense", sum(m.elements for m in block.matrices(self.hidden_size))

    def kv_elements_per_token(self, context_tokens: float | None = None) -> float:
        """Cache elements per token of context, all layers; with a context length, windowed layers count their share."""
        total = 0.0
        for group in self.layers:
            if group.mixer is None:
                continue
            share = 1.0
            span = group.mixer.span_tokens
            if context_tokens and span and isinstance(group.mixer, Attention):
                share = min(1.0, span / context_tokens)
            total += group.count * share * group.mixer.kv_elements_per_token
        return total
