"""Dense decoders with grouped attention and a gated MLP: Llama, Mistral, Qwen 2 and 3, Phi-3, Gemma 1 to 3."""

from __future__ import annotations

from simcore.spec.model import Attention, LayerGroup, Mlp
from workloads.importers.architecture import Architecture, grouped_attention, silu_mlp, sliding_layers, windowed
from workloads.importers.keys import Keys


def llama(keys: Keys) -> Architecture:
    """Llama 1 to 3: `attention_bias` puts a bias on all four projections, `mlp_bias` on all three."""
    bias = keys.flag("attention_bias", False)
    attention = grouped_attention(keys, bias=bias, output_bias=bias)
    layer = LayerGroup(count=layers(keys), mixer=attention, ffn=(silu_mlp(keys, keys.flag("mlp_bias", False)),))
    return Architecture([layer], keys.flag("tie_word_embeddings", False))


def mistral(keys: Keys) -> Architecture:
    """Mistral 7B and its kin: a window on every layer, or none where the key is null."""
    count = layers(keys)
    if keys.family == "mistral" and "sliding_window" not in keys.raw:
        raise keys.refuse("sliding_window", "is missing", "write the window, or null for full attention")
    sliding = sliding_layers(keys, count) or [keys.has("sliding_window")] * count
    return stack(keys, windowed(keys, grouped_attention(keys), sliding), silu_mlp(keys))


def phi3(keys: Keys) -> Architecture:
    """Phi-3 mini and medium, Phi-4: fused projections of the usual shapes, a window on every layer."""
    keys.expect("attention_bias", False)
    return mistral(keys)


def qwen2(keys: Keys) -> Architecture:
    """Qwen 2 and 2.5: bias on query, key and value, none on the output."""
    return stack(keys, windowed(keys, grouped_attention(keys, bias=True), qwen_sliding(keys)), silu_mlp(keys))


def qwen3(keys: Keys) -> Architecture:
    """Qwen 3: query and key are normalised per head."""
    bias = keys.flag("attention_bias", False)
    attention = grouped_attention(keys, qk_norm=True, bias=bias, output_bias=bias)
    return stack(keys, windowed(keys, attention, qwen_sliding(keys)), silu_mlp(keys))


def qwen_sliding(keys: Keys) -> list[bool]:
    """Layers from `max_window_layers` on slide, and only where `use_sliding_window` is on."""
    count = layers(keys)
    keys.ignore("sliding_window", "max_window_layers", "layer_types")
    if not keys.flag("use_sliding_window", False):
        return [False] * count
    first = keys.whole("max_window_layers", least=0)
    return sliding_layers(keys, count) or [i >= first for i in range(count)]


def gemma(keys: Keys) -> Architecture:
    """Gemma 1: explicit head_dim, tied tables."""
    return stack(keys, [grouped_attention(keys)] * layers(keys), silu_mlp(keys), tied=True)


def gemma2(keys: Keys) -> Architecture:
    """Gemma 2: every other layer slides, beginning with the first; norms before and after each block."""
    count = layers(keys)
    keys.ignore("sliding_window_size")
    sliding = sliding_layers(keys, count) or [i % 2 == 0 for i in range(count)]
    return stack(keys, windowed(keys, grouped_attention(keys), sliding), silu_mlp(keys), tied=True, norms=4)


def gemma3(keys: Keys) -> Architecture:
    """Gemma 3: five sliding layers to a global one, query and key normalised.

    Published files leave out keys that equal the defaults of Gemma3TextConfig in transformers; those are used here:
    8 heads, 4 KV heads, head_dim 256, pattern 6.
    """
    count = layers(keys)
    attention = Attention(
        heads=keys.whole("num_attention_heads", default=8),
        kv_heads=keys.whole("num_key_value_heads", default=4),
        head_dim=keys.whole("head_dim", default=256),
        qk_norm=True,
    )
    pattern = keys.whole("sliding_window_pattern", "_sliding_window_pattern", default=6)
    sliding = sliding_layers(keys, count) or [(i + 1) % pattern != 0 for i in range(count)]
    found = stack(keys, windowed(keys, attention, sliding), silu_mlp(keys), tied=True, norms=4)
    return Architecture(found.layers, found.tied_embeddings, {"vocab_size": keys.whole("vocab_size", default=262_208)})


def layers(keys: Keys) -> int:
    """`num_hidden_layers`; where a file leaves it out, as many as it lists by kind."""
    for name in () if keys.has("num_hidden_layers") else ("layer_types", "layers_block_type"):
        listed = keys.raw.get(name)
        if isinstance(listed, list) and listed:
            keys.ignore(name)
            return len(listed)
    return keys.whole("num_hidden_layers")


def stack(keys: Keys, attention: list[Attention], mlp: Mlp, *, tied: bool = False, norms: int = 2) -> Architecture:
    """One layer per attention, all with the same MLP; `tied` is the class default of the embedding tie."""
    groups = [LayerGroup(count=1, mixer=mixer, ffn=(mlp,), norms=norms) for mixer in attention]
    return Architecture(groups, keys.flag("tie_word_embeddings", tied))


MODEL_TYPES = {
    "llama": llama,
    "mistral": mistral,
    "phi3": phi3,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "gemma": gemma,
    "gemma2": gemma2,
    "gemma3": gemma3,
    "gemma3_text": gemma3,
}
