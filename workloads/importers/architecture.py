"""What families hand back, and the pieces that several of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from simcore.spec.model import Attention, LayerGroup, Mlp
from workloads.importers.keys import Keys

DERIVED_HEAD_DIM = ("llama", "mistral", "mixtral", "phi3", "qwen2", "qwen2_moe")
DEFAULT_KV_HEADS = ("llama", "phi3")


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
    """`head_dim`, or hidden_size / heads for the classes of transformers that say so.

    Other classes have a number of their own in its place, so there the file must say it.
    """
    if keys.has("head_dim") or keys.family not in DERIVED_HEAD_DIM:
        return keys.whole("head_dim")
    if hidden_size % heads:
        raise keys.refuse("head_dim", f"is missing and hidden_size {hidden_size} does not divide by {heads} heads")
    return hidden_size // heads


def grouped_attention(keys: Keys, **facts: Any) -> Attention:
    """Heads under their usual names; KV heads default to heads where the class of transformers says so."""
    heads = keys.whole("num_attention_heads")
    default = heads if keys.family in DEFAULT_KV_HEADS else None
    return Attention(
        heads=heads,
        kv_heads=keys.whole("num_key_value_heads", default=default),
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
