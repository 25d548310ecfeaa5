"""Layers of several kinds: Qwen3-Next and Qwen3.5 (linear attention), Nemotron-H (Mamba-2), Gemma 4."""

from __future__ import annotations

from simcore.spec.model import Attention, LayerGroup, LinearAttention, Mamba2, Mlp, Moe
from workloads.importers.architecture import Architecture, grouped_attention, silu_mlp
from workloads.importers.families.llama import layers
from workloads.importers.families.moe import qwen_blocks
from workloads.importers.keys import Keys


def qwen_hybrid(keys: Keys) -> Architecture:
    """Three gated delta-rule layers to one of gated full attention; MLP or experts after each."""
    count = layers(keys)
    bias = keys.flag("attention_bias", False)
    gate = keys.flag("attn_output_gate", True)
    full = grouped_attention(keys, qk_norm=True, bias=bias, output_bias=bias, output_gate=gate)
    linear = LinearAttention(
        key_heads=keys.whole("linear_num_key_heads"),
        value_heads=keys.whole("linear_num_value_heads"),
        key_dim=keys.whole("linear_key_head_dim"),
        value_dim=keys.whole("linear_value_head_dim"),
        conv_width=keys.whole("linear_conv_kernel_dim"),
    )
    kinds = keys.names("layer_types", count, ("linear_attention", "full_attention"))
    interval = keys.whole("full_attention_interval", default=4)
    chosen = kinds or ["linear_attention" if (i + 1) % interval else "full_attention" for i in range(count)]
    blocks = qwen_blocks(keys, shared=True) if keys.has("num_experts") else _dense(keys, count)
    groups = [
        LayerGroup(count=1, mixer=linear if kind == "linear_attention" else full, ffn=(block,))
        for kind, block in zip(chosen, blocks, strict=True)
    ]
    mtp = keys.whole("mtp_num_hidden_layers", default=0, least=0)
    return Architecture(groups, keys.flag("tie_word_embeddings", False), {"mtp_layers": mtp})


def _dense(keys: Keys, count: int) -> list[Mlp | Moe]:
    keys.expect("mlp_only_layers", [])
    if "moe" in keys.family:
        raise keys.refuse("num_experts", "is missing", f"a {keys.family} model needs it")
    return [silu_mlp(keys)] * count


def nemotron_h(keys: Keys) -> Architecture:
    """One block per layer: M Mamba-2, E experts, * attention, - MLP; as letters or, in newer files, as words."""
    for name in ("attention_bias", "mamba_proj_bias", "mlp_bias", "use_bias"):
        keys.expect(name, False)
    keys.expect("mlp_hidden_act", "relu2")
    keys.ignore("intermediate_size", "expand", "chunk_size", "attention_head_dim", "moe_latent_size")
    keys.expect("use_conv_bias", True)
    keys.expect("moe_latent_size", None)
    pattern = _pattern(keys)
    build = {"M": _mamba, "E": _experts, "*": _attention, "-": _mlp}
    unknown = set(pattern) - set(build)
    if unknown:
        raise keys.refuse("hybrid_override_pattern", f"unknown letter {min(unknown)!r}", "known: M, E, *, -")
    found = {letter: build[letter](keys) for letter in sorted(set(pattern))}
    keys.ignore("mtp_hybrid_override_pattern")
    mtp = keys.whole("num_nextn_predict_layers", default=0, least=0)
    order = [found[letter] for letter in pattern]
    return Architecture(order, keys.flag("tie_word_embeddings", False), {"mtp_layers": mtp})


WORDS = {"mamba": "M", "mamba2": "M", "moe": "E", "attention": "*", "mlp": "-"}


def _pattern(keys: Keys) -> str:
    """Letters of the layers: `hybrid_override_pattern`, else the words of `layers_block_type`."""
    keys.ignore("hybrid_override_pattern", "layers_block_type")
    pattern = keys.raw.get("hybrid_override_pattern")
    if pattern is None and keys.raw.get("layers_block_type") is not None:
        kinds = keys.names("layers_block_type", layers(keys), tuple(WORDS)) or []
        return "".join(WORDS[kind] for kind in kinds)
    count = layers(keys)
    if not isinstance(pattern, str) or len(pattern) != count:
        raise keys.refuse("hybrid_override_pattern", f"must have one letter for each of the {count} layers")
    return pattern


def _mamba(keys: Keys) -> LayerGroup:
    mixer = Mamba2(
        heads=keys.whole("mamba_num_heads"),
        head_dim=keys.whole("mamba_head_dim"),
        state_size=keys.whole("ssm_state_size"),
        groups=keys.whole("n_groups"),
        conv_width=keys.whole("conv_kernel"),
    )
    return LayerGroup(count=1, mixer=mixer, norms=1)


def _experts(keys: Keys) -> LayerGroup:
    keys.ignore("moe_shared_expert_intermediate_size")
    shared = keys.whole("n_shared_experts", least=0)
    block = Moe(
        experts=keys.whole("n_routed_experts"),
        topk=keys.whole("num_experts_per_tok"),
        intermediate_size=keys.whole("moe_intermediate_size"),
        shared_intermediate_size=shared * keys.whole("moe_shared_expert_intermediate_size") if shared else 0,
        gated=False,
        router_bias=True,
    )
    return LayerGroup(count=1, ffn=(block,), norms=1)


def _attention(keys: Keys) -> LayerGroup:
    heads = keys.whole("num_attention_heads")
    mixer = Attention(
        heads=heads,
        kv_heads=keys.whole("num_key_value_heads"),
        head_dim=keys.whole("head_dim", "attention_head_dim"),
    )
    return LayerGroup(count=1, mixer=mixer, norms=1)


def _mlp(keys: Keys) -> LayerGroup:
    block = Mlp(intermediate_size=keys.whole("intermediate_size"), gated=False)
    return LayerGroup(count=1, ffn=(block,), norms=1)


def gemma4(keys: Keys) -> Architecture:
    """Sliding and global layers with head sizes of their own; global keys serve as values; MLP and experts in parallel.

    Per-layer embeddings and shared KV layers (the E2B and E4B models) are not modelled and refused.
    """
    keys.expect("hidden_size_per_layer_input", 0)
    keys.expect("num_kv_shared_layers", 0)
    keys.expect("use_double_wide_mlp", False)
    keys.ignore("vocab_size_per_layer_input")
    count = layers(keys)
    kinds = keys.names("layer_types", count, ("sliding_attention", "full_attention"))
    if kinds is None:
        raise keys.refuse("layer_types", "is missing", "a gemma4 model needs it")
    bias = keys.flag("attention_bias", False)
    heads = keys.whole("num_attention_heads")
    common = {"heads": heads, "qk_norm": True, "bias": bias, "output_bias": bias}
    local = Attention(
        kv_heads=keys.whole("num_key_value_heads"),
        head_dim=keys.whole("head_dim"),
        window_tokens=keys.whole("sliding_window"),
        **common,
    )
    shared = keys.flag("attention_k_eq_v", False)
    kv_heads = keys.whole("num_global_key_value_heads") if shared else local.kv_heads
    keys.ignore("num_global_key_value_heads")
    whole = Attention(kv_heads=kv_heads, head_dim=keys.whole("global_head_dim"), shared_kv=shared, **common)
    ffn, norms = _gemma4_blocks(keys)
    groups = [
        LayerGroup(count=1, mixer=local if kind == "sliding_attention" else whole, ffn=ffn, norms=norms)
        for kind in kinds
    ]
    return Architecture(groups, keys.flag("tie_word_embeddings", True))


def _gemma4_blocks(keys: Keys) -> tuple[tuple[Mlp | Moe, ...], int]:
    """Blocks side by side and norms per layer."""
    dense = silu_mlp(keys)
    keys.ignore("num_experts", "top_k_experts", "moe_intermediate_size")
    if not keys.flag("enable_moe_block", False):
        return (dense,), 4
    block = Moe(
        experts=keys.whole("num_experts"),
        topk=keys.whole("top_k_experts"),
        intermediate_size=keys.whole("moe_intermediate_size"),
    )
    return (dense, block), 7


MODEL_TYPES = {
    "qwen3_next": qwen_hybrid,
    "qwen3_5": qwen_hybrid,
    "qwen3_5_text": qwen_hybrid,
    "qwen3_5_moe": qwen_hybrid,
    "qwen3_5_moe_text": qwen_hybrid,
    "nemotron_h": nemotron_h,
    "gemma4": gemma4,
    "gemma4_text": gemma4,
}
