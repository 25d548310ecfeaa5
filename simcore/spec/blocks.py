"""Blocks of a layer: token mixers and feed-forward blocks, each with the list of its matrices.

Parameter counts, memory and GEMM shapes all derive from that list. Nothing above asks for a class: a kind of block says
by the properties of `MixerBlock` or `FeedForward` (`block_kinds.py`) what it stores, and its operations are found by
kind (`simcore.ops.blocks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import model_validator

from simcore.spec.base import Count, Spec, Whole, checked_whole
from simcore.spec.block_kinds import Domain, FeedForward, Matrix, MixerBlock, Part, matrix


class Attention(MixerBlock):
    """Softmax attention with grouped KV heads (MHA: kv_heads = heads, MQA: 1)."""

    kind: Literal["attention"] = "attention"
    """names this block"""
    heads: Count
    """of the query"""
    kv_heads: Count
    """of key and value; fewer than `heads` where queries share them"""
    head_dim: Count
    """elements of one head"""
    window_tokens: Count | None = None
    """sliding window; None: full"""
    chunk_tokens: Count | None = None
    """attention within aligned chunks of this many tokens (Llama 4)"""
    bias: bool = False
    """projections of query, key and value add a bias"""
    output_bias: bool = False
    """the output's projection adds a bias"""
    qk_norm: bool = False
    """a norm per head of query and key"""
    qk_norm_whole: bool = False
    """a norm over all query (key) heads together (MiniMax-M2, OLMo 2)"""
    output_gate: bool = False
    """a gate as wide as the query multiplies the output (Qwen3.5)"""
    shared_kv: bool = False
    """one projection serves as key and value (Gemma 4's global layers)"""
    sinks: bool = False
    """a learned logit per head joins the softmax (gpt-oss)"""

    @checked_whole
    def _heads_share_evenly(self) -> Attention:
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} heads do not share {self.kv_heads} kv_heads evenly: give a multiple")
        return self

    @property
    def split_heads(self) -> int:
        return self.heads

    @property
    def span_tokens(self) -> int | None:
        return self.window_tokens or self.chunk_tokens

    @property
    def kept_tokens(self) -> int | None:
        return self.span_tokens

    @property
    def cache_pieces(self) -> int:
        return self.kv_heads

    @property
    def mean_span_tokens(self) -> float | None:
        """What a query at a late position sees on average: the window, or half a chunk; None: everything."""
        return self.window_tokens or (self.chunk_tokens / 2 if self.chunk_tokens else None)

    @property
    def kv_elements_per_token(self) -> int:
        """Elements written to the cache per token; a shared key is still stored with its value."""
        return 2 * self.kv_heads * self.head_dim

    def cache_matrix(self, hidden_size: int) -> Matrix | None:
        width = (1 if self.shared_kv else 2) * self.kv_heads * self.head_dim
        return Matrix("cache_projection", hidden_size, (Part(width, self.kv_heads),), "column", self.bias)

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        q = self.heads * self.head_dim * (2 if self.output_gate else 1)
        kv = (1 if self.shared_kv else 2) * self.kv_heads * self.head_dim
        qkv = Matrix("qkv", hidden_size, (Part(q, self.heads), Part(kv, self.kv_heads)), "column", self.bias)
        out = Matrix(
            "attention_out", self.heads * self.head_dim, (Part(hidden_size, self.heads),), "row", self.output_bias
        )
        return qkv, out

    def small_elements(self) -> int:
        norms = 2 * self.head_dim if self.qk_norm else 0
        whole = (self.heads + self.kv_heads) * self.head_dim if self.qk_norm_whole else 0
        return norms + whole + (self.heads if self.sinks else 0)


class Indexer(Spec):
    """A sparse-attention indexer: picks `topk` tokens per query (DeepSeek-V3.2, GLM-5)."""

    heads: Count
    """of its query; its key has one"""
    head_dim: Count
    """elements of one head, which the cache keeps per token"""
    topk: Count
    """tokens that a query then attends to"""


class Mla(MixerBlock):
    """Multi-head latent attention: the cache holds one compressed vector per token (DeepSeek-V2)."""

    kind: Literal["mla"] = "mla"
    """names this block"""
    heads: Count
    """of query, key and value"""
    q_lora_rank: Count | None = None
    """width of the compressed query; None: the query is not compressed"""
    kv_lora_rank: Count
    """width of the compressed key and value, which the cache keeps"""
    qk_nope_head_dim: Count
    """elements of a head of query and key without position"""
    qk_rope_head_dim: Count
    """elements of it with rotary position; the key's are shared by all heads and kept in the cache"""
    v_head_dim: Count
    """elements of a head of the value"""
    indexer: Indexer | None = None
    """picks the tokens that are attended to; None: all are"""

    @property
    def split_heads(self) -> int:
        return self.heads

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


class LinearAttention(MixerBlock):
    """Gated delta-rule linear attention with a short convolution (Qwen3-Next, Qwen3.5). State instead of KV."""

    kind: Literal["linear"] = "linear"
    """names this block"""
    key_heads: Count
    """of query and key"""
    value_heads: Count
    """of value and output; each has a state of key_dim x value_dim"""
    key_dim: Count
    """elements of a head of query and key"""
    value_dim: Count
    """elements of a head of the value"""
    conv_width: Count
    """tokens that the short convolution sees"""

    @property
    def split_heads(self) -> int:
        return self.value_heads

    @property
    def inner_size(self) -> int:
        """Width of what is mixed."""
        return self.value_heads * self.value_dim

    @property
    def state_elements(self) -> int:
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


class Mamba2(MixerBlock):
    """State-space layer of Mamba-2: state [heads, head_dim, state_size] per sequence."""

    kind: Literal["mamba2"] = "mamba2"
    """names this block"""
    heads: Count
    """of what is mixed, heads x head_dim elements wide"""
    head_dim: Count
    """elements of one head"""
    state_size: Count
    """numbers of state per element of a head"""
    groups: Count
    """of heads that share the projections B and C"""
    conv_width: Count
    """tokens that the short convolution sees"""

    @property
    def split_heads(self) -> int:
        return self.heads

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


class Mlp(FeedForward):
    """Feed-forward block, gated (SwiGLU and its like: three matrices) or plain (two)."""

    kind: Literal["mlp"] = "mlp"
    """names this block"""
    intermediate_size: Count
    """width between the projections up and down"""
    gated: bool = True
    """a third matrix gates the inner width (SwiGLU and its like); else two matrices"""
    bias: bool = False
    """its matrices add a bias"""

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        up = (2 if self.gated else 1) * self.intermediate_size
        return (
            Matrix("mlp_up", hidden_size, (Part(up, self.intermediate_size),), "column", self.bias),
            Matrix("mlp_down", self.intermediate_size, (Part(hidden_size, self.intermediate_size),), "row", self.bias),
        )

    def cut(self, hidden_size: int) -> tuple[Matrix, ...]:
        return self.matrices(hidden_size)


class Moe(FeedForward):
    """Routed experts, `topk` per token, with optional shared experts that see every token."""

    kind: Literal["moe"] = "moe"
    """names this block"""
    experts: Count
    """routed ones of a layer"""
    topk: Count
    """routed experts that a token passes"""
    intermediate_size: Count
    """inner width of one routed expert"""
    shared_intermediate_size: Whole = 0
    """total width of the shared experts; 0: none"""
    shared_gate: bool = False
    """a gate of `hidden_size` weights scales what the shared experts give"""
    gated: bool = True
    """experts, shared ones too, have a third matrix that gates the inner width; else two"""
    bias: bool = False
    """matrices of the routed experts add a bias"""
    router_bias: bool = False
    """the router adds a bias per expert"""

    @model_validator(mode="after")
    def _chooses_among_them(self) -> Moe:
        if self.topk > self.experts:
            raise ValueError(f"topk = {self.topk} exceeds the {self.experts} experts")
        return self

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

    @property
    def routed_experts(self) -> int:
        return self.experts

    @property
    def chosen_experts(self) -> int:
        return self.topk

    def cut(self, hidden_size: int) -> tuple[Matrix, ...]:
        return self.shared(hidden_size)

    def whole_elements(self, hidden_size: int) -> int:
        return self.router(hidden_size).elements

    def parameters(self, hidden_size: int) -> Iterator[tuple[Domain, int]]:
        yield "routed", sum(m.elements for m in self.routed(hidden_size))
        gate = hidden_size if self.shared_gate else 0
        shared = sum(m.elements for m in self.shared(hidden_size))
        yield "shared", shared + gate + self.whole_elements(hidden_size)

    def shared(self, hidden_size: int) -> tuple[Matrix, ...]:
        """Of the experts that see every token."""
        if not self.shared_intermediate_size:
            return ()
        return Mlp(intermediate_size=self.shared_intermediate_size, gated=self.gated).matrices(hidden_size)

    def router(self, hidden_size: int) -> Matrix:
        return matrix("router", hidden_size, self.experts, "none", bias=self.router_bias)

    def token_matrices(self, hidden_size: int) -> list[Matrix]:
        """Matrices that one token passes: router, its `topk` experts, shared experts."""
        routed = list(self.routed(hidden_size)) * self.topk
        return [self.router(hidden_size), *routed, *self.shared(hidden_size)]
