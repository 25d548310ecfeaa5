"""What families hand back, and the pieces that several of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from simcore.spec.model import Attention, LayerGroup, Mlp
from workloads.importers.keys import Keys


@dataclass(frozen=True)
class Architecture:
    """Layers in order and the model-wide facts that differ from `ModelSpec`'s defaults."""

    layers: Sequence[LayerGroup]
    """one per layer, or already counted"""
    tied_embeddings: bool
    rest: dict[str, Any] = field(default_factory=dict)


def gather(layers: Sequence[LayerGroup]) -> tuple[LayerGroup, ...]:
    """Equal layers as one group, in order of first appearance."""
    counts: dict[LayerGroup, int] = {}
    for layer in layers:
        key = layer.replace(count=1)
        counts[key] = counts.get(key, 0) + layer.count
    return tuple(layer.replace(count=count) for layer, count in counts.items())


def head_dim(keys: Keys, hidden_size: int, heads: int) -> int:
    """`head_dim`, or hidden_size / heads, the rule of every Hugging Face class that has the key."""
    if keys.has("head_dim"):
        return keys.whole("head_dim")
    if hidden_size % heads:
        raise keys.refuse("head_dim", f"is missing and hidden_size {hidden_size} does not divide by {heads} heads")
    return hidden_size // heads


def grouped_attention(keys: Keys, **facts: Any) -> Attention:
    """Heads under their usual names; kv_heads default to heads (documented by Hugging Face for Llama and its kin)."""
    heads = keys.whole("num_attention_heads")
    return Attention(
        heads=heads,
        kv_heads=keys.whole("num_key_value_heads", default=heads),
        head_dim=head_dim(keys, keys.whole("hidden_size"), heads),
        **facts,
    )


def silu_mlp(keys: Keys, bias: bool = False) -> Mlp:
    """Gated feed-forward block of `intermediate_size`."""
    return Mlp(intermediate_size=keys.whole("intermediate_size"), gated=True, bias=bias)


def windowed(keys: Keys, attention: Attention, sliding: Sequence[bool]) -> list[Attention]:
    """One attention per layer; the sliding ones get `sliding_window`."""
    if not any(sliding):
        return [attention] * len(sliding)
    local = attention.replace(window_tokens=keys.whole("sliding_window"))
    return [local if here else attention for here in sliding]


def sliding_layers(keys: Keys, count: int) -> list[bool] | None:
    """Which layers slide, from `layer_types`; None if the key is not there."""
    kinds = keys.names("layer_types", count, ("sliding_attention", "full_attention"))
    return None if kinds is None else [kind == "sliding_attention" for kind in kinds]
