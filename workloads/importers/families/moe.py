"""Grouped attention over routed experts: Mixtral, Qwen 2 and 3 MoE, MiniMax-M2, gpt-oss, Llama 4."""

from __future__ import annotations

from simcore.spec.model import Attention, LayerGroup, Mlp, Moe
from workloads.importers.architecture import Architecture, grouped_attention, silu_mlp, sliding_layers, windowed
from workloads.importers.families.llama import layers, qwen_sliding
from workloads.importers.keys import Keys


def mixtral(keys: Keys) -> Architecture:
    """Every layer routes over `num_local_experts`."""
    count = layers(keys)
    block = Moe(
        experts=keys.whole("num_local_experts"),
        topk=keys.whole("num_experts_per_tok"),
        intermediate_size=keys.whole("intermediate_size"),
    )
    mixers = windowed(keys, grouped_attention(keys), [keys.has("sliding_window")] * count)
    return routed(keys, mixers, [block] * count)


def qwen3_moe(keys: Keys) -> Architecture:
    """Qwen 3 MoE: no shared expert, query and key normalised."""
    bias = keys.flag("attention_bias", False)
    attention = grouped_attention(keys, qk_norm=True, bias=bias, output_bias=bias)
    return routed(keys, windowed(keys, attention, qwen_sliding(keys)), qwen_blocks(keys, shared=False))


def qwen2_moe(keys: Keys) -> Architecture:
    """Qwen 2 MoE: bias on query, key and value, a gated shared expert."""
    keys.expect("qkv_bias", True)
    return routed(
        keys, windowed(keys, grouped_attention(keys, bias=True), qwen_sliding(keys)), qwen_blocks(keys, shared=True)
    )


def qwen_blocks(keys: Keys, shared: bool) -> list[Mlp | Moe]:
    """Experts on every `decoder_sparse_step`-th layer that `mlp_only_layers` does not name, else a dense MLP.

    `shared`: a gated shared expert sees every token.
    """
    step = keys.whole("decoder_sparse_step", default=1)
    keys.ignore("mlp_only_layers", "intermediate_size")
    dense = keys.raw.get("mlp_only_layers") or []
    shared_size = keys.whole("shared_expert_intermediate_size") if shared else 0
    block = Moe(
        experts=keys.whole("num_experts"),
        topk=keys.whole("num_experts_per_tok"),
        intermediate_size=keys.whole("moe_intermediate_size"),
        shared_intermediate_size=shared_size,
        shared_gate=shared,
    )
    sparse = [i not in dense and (i + 1) % step == 0 for i in range(layers(keys))]
    return [block if here else silu_mlp(keys) for here in sparse]


def minimax_m2(keys: Keys) -> Architecture:
    """MiniMax-M2: norms over the whole query and key, biased routing; its card counts no table as active."""
    keys.expect("qk_norm_type", "per_layer")
    keys.expect("shared_intermediate_size", 0)
    keys.expect("attn_type_list", [1] * layers(keys))
    keys.ignore("num_mtp_modules", "mtp_transformer_layers", "use_mtp")
    attention = grouped_attention(keys, qk_norm_whole=keys.flag("use_qk_norm"))
    block = Moe(
        experts=keys.whole("num_local_experts"),
        topk=keys.whole("num_experts_per_tok"),
        intermediate_size=keys.whole("intermediate_size"),
        router_bias=keys.flag("use_routing_bias"),
    )
    found = routed(keys, [attention] * layers(keys), [block] * layers(keys))
    modules = keys.raw.get("num_mtp_modules") or 0 if keys.raw.get("use_mtp") else 0
    return Architecture(found.layers, found.tied_embeddings, {"mtp_layers": modules, "card_tables": 0})


def gpt_oss(keys: Keys) -> Architecture:
    """gpt-oss: sliding and full layers in turn, sinks, biases everywhere; its card leaves the embedding out."""
    count = layers(keys)
    bias = keys.flag("attention_bias", True)
    attention = grouped_attention(keys, bias=bias, output_bias=bias, sinks=True)
    sliding = sliding_layers(keys, count) or [i % 2 == 0 for i in range(count)]
    keys.ignore("experts_per_token")
    block = Moe(
        experts=keys.whole("num_local_experts"),
        topk=keys.whole("num_experts_per_tok", "experts_per_token"),
        intermediate_size=keys.whole("intermediate_size"),
        bias=True,
        router_bias=True,
    )
    found = routed(keys, windowed(keys, attention, sliding), [block] * count)
    return Architecture(found.layers, found.tied_embeddings, {"card_tables": 1})


def llama4(keys: Keys) -> Architecture:
    """Llama 4: three layers of chunked attention to a global one without rotary embedding; one shared expert.

    Every `interleave_moe_layer_step`-th layer routes, the others have a dense MLP of `intermediate_size_mlp`.
    """
    count = layers(keys)
    bias = keys.flag("attention_bias", False)
    attention = grouped_attention(keys, bias=bias, output_bias=bias)
    chunked = attention.replace(chunk_tokens=keys.whole("attention_chunk_size"))
    step = keys.whole("interleave_moe_layer_step")
    size = keys.whole("intermediate_size")
    block = Moe(
        experts=keys.whole("num_local_experts"),
        topk=keys.whole("num_experts_per_tok"),
        intermediate_size=size,
        shared_intermediate_size=size,
    )
    dense = Mlp(intermediate_size=keys.whole("intermediate_size_mlp"))
    keys.ignore("moe_layers")
    sparse = keys.raw.get("moe_layers") or [i for i in range(count) if (i + 1) % step == 0]
    mixers = [chunked if here else attention for here in _chunked_layers(keys, count)]
    return routed(keys, mixers, [block if i in sparse else dense for i in range(count)])


def _chunked_layers(keys: Keys, count: int) -> list[bool]:
    """Rotary layers are chunked: `layer_types`, `no_rope_layers` (1: rotary), else every fourth one is global."""
    kinds = keys.names("layer_types", count, ("chunked_attention", "full_attention"))
    if kinds is not None:
        return [kind == "chunked_attention" for kind in kinds]
    keys.ignore("no_rope_layers")
    listed = keys.raw.get("no_rope_layers")
    if listed:
        if len(listed) != count:
            raise keys.refuse("no_rope_layers", f"must list one entry for each of the {count} layers")
        return [bool(flag) for flag in listed]
    interval = keys.whole("no_rope_layer_interval", default=4)
    return [(i + 1) % interval != 0 for i in range(count)]


def glm4_moe(keys: Keys) -> Architecture:
    """GLM-4.5 and 4.6: bias on query, key and value; the first `first_k_dense_replace` layers are dense."""
    count, dense = layers(keys), keys.whole("first_k_dense_replace", least=0)
    if dense > count:
        raise keys.refuse("first_k_dense_replace", f"{dense} of {count} layers")
    attention = grouped_attention(keys, bias=keys.flag("attention_bias"), qk_norm=keys.flag("use_qk_norm"))
    size = keys.whole("moe_intermediate_size")
    block = Moe(
        experts=keys.whole("n_routed_experts"),
        topk=keys.whole("num_experts_per_tok"),
        intermediate_size=size,
        shared_intermediate_size=size * keys.whole("n_shared_experts", least=0),
        router_bias=True,
    )
    blocks: list[Mlp | Moe] = [silu_mlp(keys) if i < dense else block for i in range(count)]
    found = routed(keys, [attention] * count, blocks)
    mtp = keys.whole("num_nextn_predict_layers", default=0, least=0)
    return Architecture(found.layers, found.tied_embeddings, {"mtp_layers": mtp})


def routed(keys: Keys, mixers: list[Attention], blocks: list[Moe] | list[Mlp | Moe]) -> Architecture:
    """One layer per pair."""
    groups = [LayerGroup(count=1, mixer=m, ffn=(b,)) for m, b in zip(mixers, blocks, strict=True)]
    return Architecture(groups, keys.flag("tie_word_embeddings", False))


MODEL_TYPES = {
    "mixtral": mixtral,
    "qwen2_moe": qwen2_moe,
    "qwen3_moe": qwen3_moe,
    "minimax_m2": minimax_m2,
    "gpt_oss": gpt_oss,
    "glm4_moe": glm4_moe,
    "llama4": llama4,
    "llama4_text": llama4,
}
