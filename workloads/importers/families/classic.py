"""Decoders with a plain biased MLP: GPT-2, GPT-NeoX, OPT, BLOOM, Falcon, GPT-BigCode."""

from __future__ import annotations

from typing import Any

from simcore.spec.model import Attention, LayerGroup, Mlp
from workloads.importers.architecture import Architecture
from workloads.importers.keys import Keys


def gpt2(keys: Keys) -> Architecture:
    """Learned positions, biases everywhere, tied tables; one KV head where `multi_query` is on (GPT-BigCode)."""
    size, heads = keys.whole("n_embd", "hidden_size"), keys.whole("n_head", "num_attention_heads")
    kv_heads = 1 if keys.family == "gpt_bigcode" and keys.flag("multi_query", True) else heads
    inner = keys.whole("n_inner") if keys.has("n_inner") else 4 * size
    rest = {"hidden_size": size, "position_tokens": keys.whole("n_positions", "max_position_embeddings")}
    mixer = _attention(keys, size, heads, kv_heads, bias=True, output_bias=True)
    layer = LayerGroup(count=keys.whole("n_layer", "num_hidden_layers"), mixer=mixer, ffn=(_mlp(inner),))
    return _architecture(keys, layer, rest, tied=True)


def gpt_neox(keys: Keys) -> Architecture:
    """GPT-NeoX and Pythia: parallel residual, rotary, biases everywhere."""
    keys.ignore("use_parallel_residual")
    bias = keys.flag("attention_bias", True)
    size, heads = keys.whole("hidden_size"), keys.whole("num_attention_heads")
    mixer = _attention(keys, size, heads, heads, bias=bias, output_bias=bias)
    layer = LayerGroup(count=keys.whole("num_hidden_layers"), mixer=mixer, ffn=(_mlp(keys.whole("intermediate_size")),))
    return _architecture(keys, layer, {}, tied=False)


def opt(keys: Keys) -> Architecture:
    """OPT: learned positions with two spare rows; the 350M model's projected embedding is refused."""
    size, heads = keys.whole("hidden_size"), keys.whole("num_attention_heads")
    keys.expect("word_embed_proj_dim", size)
    keys.expect("do_layer_norm_before", True)
    keys.expect("enable_bias", True)
    keys.expect("layer_norm_elementwise_affine", True)
    keys.expect("_remove_final_layer_norm", False)
    mixer = _attention(keys, size, heads, heads, bias=True, output_bias=True)
    layer = LayerGroup(count=keys.whole("num_hidden_layers"), mixer=mixer, ffn=(_mlp(keys.whole("ffn_dim")),))
    return _architecture(keys, layer, {"position_tokens": keys.whole("max_position_embeddings") + 2}, tied=True)


def bloom(keys: Keys) -> Architecture:
    """BLOOM: ALiBi, a norm after the embedding, MLP of four times the hidden size."""
    size, heads = keys.whole("hidden_size", "n_embed"), keys.whole("n_head", "num_attention_heads")
    keys.ignore(
        "n_embed", "num_attention_heads", "skip_bias_add", "skip_bias_add_qkv", "offset_alibi", "bias_dropout_fusion"
    )
    mixer = _attention(keys, size, heads, heads, bias=True, output_bias=True)
    layer = LayerGroup(count=keys.whole("n_layer", "num_hidden_layers"), mixer=mixer, ffn=(_mlp(4 * size),))
    return _architecture(keys, layer, {"hidden_size": size, "embedding_norm": True}, tied=True)


def falcon(keys: Keys) -> Architecture:
    """Falcon 7B (one KV head), 40B and 180B (grouped heads, two norms): attention and MLP in parallel."""
    size, heads = keys.whole("hidden_size"), keys.whole("num_attention_heads", "n_head")
    modern, bias = keys.flag("new_decoder_architecture", False), keys.flag("bias", False)
    keys.ignore("num_kv_heads", "n_head_kv", "multi_query", "num_ln_in_parallel_attn", "alibi")
    if modern:
        kv_heads = keys.whole("num_kv_heads", "n_head_kv")
    else:
        kv_heads = 1 if keys.flag("multi_query", True) else heads
    parallel = keys.flag("parallel_attn", True)
    inner = keys.whole("ffn_hidden_size", default=4 * size)
    mixer = _attention(keys, size, heads, kv_heads, bias=bias, output_bias=bias)
    norms = 2 if modern or not parallel else 1
    layer = LayerGroup(
        count=keys.whole("num_hidden_layers", "n_layer"), mixer=mixer, ffn=(_mlp(inner, bias),), norms=norms
    )
    return _architecture(keys, layer, {}, tied=True)


def _attention(keys: Keys, size: int, heads: int, kv_heads: int, **facts: Any) -> Attention:
    if size % heads:
        raise keys.refuse("hidden_size", f"{size} does not divide by {heads} heads")
    return Attention(heads=heads, kv_heads=kv_heads, head_dim=size // heads, **facts)


def _mlp(intermediate_size: int, bias: bool = True) -> Mlp:
    return Mlp(intermediate_size=intermediate_size, gated=False, bias=bias)


def _architecture(keys: Keys, layer: LayerGroup, rest: dict[str, Any], *, tied: bool) -> Architecture:
    return Architecture([layer], keys.flag("tie_word_embeddings", tied), {"norm_bias": True, **rest})


MODEL_TYPES = {
    "gpt2": gpt2,
    "gpt_bigcode": gpt2,
    "gpt_neox": gpt_neox,
    "opt": opt,
    "bloom": bloom,
    "falcon": falcon,
}
