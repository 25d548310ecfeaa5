"""The importer against model cards, hand-counted caches and files that it must refuse."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import workloads
from simcore.errors import InputError
from simcore.spec.model import Attention, Mamba2, Mla, ModelSpec
from tests.shared import shared
from tests.workloads.cards import CARDS, Card
from workloads.importers.export import to_toml
from workloads.importers.huggingface import import_model

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}


def raw(stem: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared(f"models/{stem}.json").read_text())
    return found


def imported(stem: str) -> ModelSpec:
    return import_model(raw(stem), stem, f"{stem}.json")


def llama(**changes: Any) -> ModelSpec:
    return import_model({**LLAMA, **changes}, "m", "config.json")


def test_what_no_shape_reads_may_be_infinite(tmp_path: Path) -> None:
    """Files of Mamba models hold `"time_step_limit": [0.0, Infinity]`."""
    stem = "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"
    file = tmp_path / f"{stem}.json"
    file.write_text(json.dumps(raw(stem) | {"time_step_limit": [0.0, math.inf], "swiglu_limit": math.nan}))
    assert workloads.read_model(file) == workloads.read_model(shared(f"models/{stem}.json"))


@pytest.mark.parametrize(
    "key", ["hidden_size", "num_hidden_layers", "mamba_num_heads", "chunk_size", "max_position_embeddings"]
)
@pytest.mark.parametrize("word", ["Infinity", "NaN", "1e999", "-Infinity"])
def test_what_shapes_are_read_from_is_finite(key: str, word: str, tmp_path: Path) -> None:
    told = raw("nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16") | {key: "HERE"}
    (tmp_path / "config.json").write_text(json.dumps(told).replace('"HERE"', word))
    with pytest.raises(InputError, match=key):
        workloads.read_model(tmp_path / "config.json")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.stem)
def test_counts_match_the_card(card: Card) -> None:
    """Within 1 % of a number that the card would print as it does."""
    model = imported(card.stem)
    total = (model.parameters + (model.other_parameters if card.other else 0)) / 1e9
    assert abs(total - card.total) <= 0.01 * card.total + card.total_rounding, (total, card.source)
    if card.active is None:
        assert model.active_parameters == model.parameters
    else:
        active = model.active_parameters / 1e9
        assert abs(active - card.active) <= 0.01 * card.active + card.active_rounding, (active, card.source)


# Layers x (key and value) x KV heads x head size x 2 bytes, from the published shapes, written out.
KV_BYTES = {
    "meta-llama--Meta-Llama-3.1-70B": 80 * 2 * 8 * 128 * 2,
    "deepseek-ai--DeepSeek-V3": 61 * (512 + 64) * 2,  # one latent and one rotary key per layer
    "deepseek-ai--DeepSeek-V3.2": 61 * (512 + 64 + 128) * 2,  # and the indexer's key
    "openai--gpt-oss-120b": 36 * 2 * 8 * 64 * 2,
    "Qwen--Qwen3.5-397B-A17B": 15 * 2 * 2 * 256 * 2,  # every fourth of 60 layers keeps a cache
    "google--gemma-4-26B-A4B": (25 * 2 * 8 * 256 + 5 * 2 * 2 * 512) * 2,  # sliding and global layers
    "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": 6 * 2 * 2 * 128 * 2,  # six attention layers of 52
}


@pytest.mark.parametrize("stem", KV_BYTES)
def test_cache_bytes_per_token_by_hand(stem: str) -> None:
    assert imported(stem).kv_elements_per_token() * 2 == KV_BYTES[stem]


def test_window_bounds_the_cache() -> None:
    """gpt-oss at 8,192 tokens: 18 layers keep 128 of them."""
    model = imported("openai--gpt-oss-120b")
    assert model.kv_elements_per_token(8192) * 8192 == 18 * 1024 * 8192 + 18 * 1024 * 128


def test_layers_of_several_kinds() -> None:
    scout = imported("meta-llama--Llama-4-Scout-17B-16E-Instruct")
    chunks = {g.mixer.chunk_tokens: g.count for g in scout.layers if isinstance(g.mixer, Attention)}
    assert chunks == {8192: 36, None: 12}
    nemotron = imported("nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16")
    assert sorted((g.count, type(g.mixer).__name__) for g in nemotron.layers) == [
        (6, "Attention"),
        (23, "Mamba2"),
        (23, "NoneType"),
    ]
    mamba = next(g.mixer for g in nemotron.layers if isinstance(g.mixer, Mamba2))
    assert mamba.state_elements == 64 * 64 * 128
    v32 = imported("deepseek-ai--DeepSeek-V3.2")
    assert all(isinstance(g.mixer, Mla) and g.mixer.indexer and g.mixer.indexer.topk == 2048 for g in v32.layers)
    assert [g.count for g in v32.layers] == [3, 58]


def test_vision_towers_are_counted_apart() -> None:
    """Gemma 4's card: about 550M; Kimi K2.5's: 400M (its MoonViT) before the projector."""
    assert imported("google--gemma-4-26B-A4B").other_parameters == pytest.approx(0.55e9, rel=0.06)
    assert 0.40e9 < imported("moonshotai--Kimi-K2.5").other_parameters < 0.48e9
    scout = imported("meta-llama--Llama-4-Scout-17B-16E-Instruct")
    assert (scout.parameters + scout.other_parameters) / 1e9 == pytest.approx(109, abs=0.5)
    assert imported("Qwen--Qwen3-8B").other_parameters == 0


@pytest.mark.parametrize(
    ("stem", "native", "experts"),
    [
        ("deepseek-ai--DeepSeek-V3", "fp8-block", None),
        ("openai--gpt-oss-20b", "bf16", "mxfp4"),
        ("moonshotai--Kimi-K2.5", "bf16", "int4-g32"),
        ("Qwen--Qwen3-235B-A22B-FP8", "fp8-block", None),
        ("Qwen--Qwen3-32B", "bf16", None),
    ],
)
def test_formats_of_checkpoints(stem: str, native: str, experts: str | None) -> None:
    model = imported(stem)
    assert (model.native_format, model.expert_format) == (native, experts)


@pytest.mark.parametrize(
    ("table", "native", "kv"),
    [
        ({"quant_method": "awq", "bits": 4}, "int4", "bf16"),
        ({"quant_method": "gptq", "bits": 8}, "int8-weight", "bf16"),
        ({"quant_method": "fp8"}, "fp8", "bf16"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_scheme": {"num_bits": 8}}, "fp4", "fp8"),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"g": {"weights": {"type": "float", "num_bits": 8}}},
            },
            "fp8",
            "bf16",
        ),
    ],
)
def test_quantisation_tables(table: dict[str, Any], native: str, kv: str) -> None:
    model = llama(quantization_config=table)
    assert (model.native_format, model.kv_format) == (native, kv)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "lama"}, ("model_type", "unknown architecture 'lama'", "llama")),
        ({"model_type": None}, ("model_type", "is missing")),
        ({"hidden_size": None}, ("hidden_size", "is missing", "llama")),
        ({"num_hidden_layers": "32"}, ("num_hidden_layers", "not a whole number")),
        ({"tie_word_embeddings": 1}, ("tie_word_embeddings", "not true or false")),
        ({"num_local_experts": 8}, ("num_local_experts", "not understood for llama")),
        ({"sliding_window": 4096}, ("sliding_window", "not understood for llama")),
        ({"quantization_config": {"quant_method": "quip"}}, ("quantization_config.quant_method", "quip")),
        ({"quantization_config": {"quant_method": "awq", "bits": 3}}, ("bits", "3 bits")),
        ({"audio_config": {"d_model": 4}}, ("audio_config", "not modelled")),
        ({"vision_config": {"hidden_size": 4}}, ("vision_config", "not known")),
    ],
)
def test_what_is_not_known_is_refused(change: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        llama(**change)
    line = str(caught.value)
    assert line.startswith("config.json: ") and "\n" not in line
    assert all(word in line for word in words), line


def test_no_key_that_shapes_the_model_has_a_silent_default() -> None:
    """Without any one of its shape keys a file is refused, or reads the same where the class says what is meant."""
    shapes = ("size", "heads", "head_dim", "layers", "experts", "rank", "window", "per_tok", "chunk", "topk", "step")
    for card in CARDS:
        whole = raw(card.stem)
        inner = whole.get("text_config", whole)
        expected = import_model(whole, "m", "config.json")
        for key in [k for k in inner if k.endswith(shapes) and isinstance(inner[k], int)]:
            less = {k: v for k, v in inner.items() if k != key}
            try:
                found = import_model({**whole, "text_config": less} if inner is not whole else less, "m", "config.json")
            except InputError as error:
                assert error.key is not None and error.key.endswith(key), (card.stem, key, str(error))
            else:
                allowed = ("num_key_value_heads", "num_nextn_predict_layers", "mtp_num_hidden_layers")
                assert found == expected or key in allowed, (card.stem, key)


def test_features_that_are_not_modelled_are_refused() -> None:
    small = raw("google--gemma-4-26B-A4B")
    small["text_config"]["hidden_size_per_layer_input"] = 256
    with pytest.raises(InputError, match=r"not modelled for gemma4_text"):
        import_model(small, "gemma", "config.json")
    sparse = {k: v for k, v in raw("zai-org--GLM-5").items() if not k.startswith("index")}
    with pytest.raises(InputError, match="is missing"):
        import_model(sparse, "glm", "config.json")
    letters = {**raw("nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"), "hybrid_override_pattern": "X" * 52}
    with pytest.raises(InputError, match="unknown letter 'X'"):
        import_model(letters, "nemotron", "config.json")


FAMILIES = {
    # (facts, billions on the card or in the paper)
    "gemma2-9b": (
        {
            "model_type": "gemma2",
            "hidden_size": 3584,
            "intermediate_size": 14336,
            "num_hidden_layers": 42,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "head_dim": 256,
            "vocab_size": 256000,
            "sliding_window": 4096,
        },
        9.24,
    ),
    "gemma3-4b-text": (
        {
            "model_type": "gemma3_text",
            "hidden_size": 2560,
            "intermediate_size": 10240,
            "num_hidden_layers": 34,
            "sliding_window": 1024,
        },
        3.88,
    ),
    "phi3-mini": (
        {
            "model_type": "phi3",
            "hidden_size": 3072,
            "intermediate_size": 8192,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "vocab_size": 32064,
            "sliding_window": 2047,
        },
        3.82,
    ),
    "glm-4.5": (
        {
            "model_type": "glm4_moe",
            "hidden_size": 5120,
            "intermediate_size": 12288,
            "num_hidden_layers": 92,
            "num_attention_heads": 96,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "attention_bias": True,
            "use_qk_norm": True,
            "first_k_dense_replace": 3,
            "moe_intermediate_size": 1536,
            "n_routed_experts": 160,
            "n_shared_experts": 1,
            "num_experts_per_tok": 8,
            "num_nextn_predict_layers": 1,
            "vocab_size": 151552,
        },
        355,
    ),
    "llama-4-maverick": (
        {
            "model_type": "llama4_text",
            "attention_chunk_size": 8192,
            "head_dim": 128,
            "hidden_size": 5120,
            "interleave_moe_layer_step": 2,
            "intermediate_size": 8192,
            "intermediate_size_mlp": 16384,
            "no_rope_layers": [1, 1, 1, 0] * 12,
            "num_attention_heads": 40,
            "num_experts_per_tok": 1,
            "num_hidden_layers": 48,
            "num_key_value_heads": 8,
            "num_local_experts": 128,
            "vocab_size": 202048,
        },
        400,
    ),
    "qwen3-next-80b": (
        {
            "model_type": "qwen3_next",
            "full_attention_interval": 4,
            "head_dim": 256,
            "hidden_size": 2048,
            "linear_conv_kernel_dim": 4,
            "linear_key_head_dim": 128,
            "linear_num_key_heads": 16,
            "linear_num_value_heads": 32,
            "linear_value_head_dim": 128,
            "moe_intermediate_size": 512,
            "num_attention_heads": 16,
            "num_experts": 512,
            "num_experts_per_tok": 10,
            "num_hidden_layers": 48,
            "num_key_value_heads": 2,
            "shared_expert_intermediate_size": 512,
            "vocab_size": 151936,
        },
        80,
    ),
    "nemotron-nano-9b-v2": (
        {
            "model_type": "nemotron_h",
            "attention_head_dim": 128,
            "conv_kernel": 4,
            "hidden_size": 4480,
            "hybrid_override_pattern": "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-",
            "intermediate_size": 15680,
            "mamba_head_dim": 80,
            "mamba_num_heads": 128,
            "mlp_hidden_act": "relu2",
            "n_groups": 8,
            "num_attention_heads": 40,
            "num_hidden_layers": 56,
            "num_key_value_heads": 8,
            "ssm_state_size": 128,
            "vocab_size": 131072,
        },
        8.89,
    ),
    "gpt2": (
        {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50257},
        0.124,
    ),
    "gpt-neox-20b": (
        {
            "model_type": "gpt_neox",
            "hidden_size": 6144,
            "intermediate_size": 24576,
            "num_hidden_layers": 44,
            "num_attention_heads": 64,
            "vocab_size": 50432,
        },
        20.55,
    ),
    "bloom-176b": (
        {"model_type": "bloom", "hidden_size": 14336, "n_layer": 70, "n_head": 112, "vocab_size": 250880},
        176.2,
    ),
    "falcon-7b": (
        {
            "model_type": "falcon",
            "hidden_size": 4544,
            "num_hidden_layers": 32,
            "num_attention_heads": 71,
            "multi_query": True,
            "parallel_attn": True,
            "new_decoder_architecture": False,
            "bias": False,
            "vocab_size": 65024,
        },
        6.92,
    ),
    "deepseek-v2": (
        {
            "model_type": "deepseek_v2",
            "hidden_size": 5120,
            "intermediate_size": 12288,
            "num_hidden_layers": 60,
            "num_attention_heads": 128,
            "num_key_value_heads": 128,
            "first_k_dense_replace": 1,
            "kv_lora_rank": 512,
            "q_lora_rank": 1536,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
            "moe_intermediate_size": 1536,
            "n_routed_experts": 160,
            "n_shared_experts": 2,
            "num_experts_per_tok": 6,
            "vocab_size": 102400,
        },
        236,
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_other_families(name: str) -> None:
    facts, billions = FAMILIES[name]
    assert import_model(facts, name, "config.json").parameters / 1e9 == pytest.approx(billions, rel=0.01)


def test_gemma2_alternates_and_phi3_slides_everywhere() -> None:
    def windows(name: str) -> dict[int | None, int]:
        model = import_model(FAMILIES[name][0], name, "config.json")
        return {g.mixer.window_tokens: g.count for g in model.layers if isinstance(g.mixer, Attention)}

    assert windows("gemma2-9b") == {4096: 21, None: 21}
    assert windows("gemma3-4b-text") == {1024: 29, None: 5}
    assert windows("phi3-mini") == {2047: 32}


def test_export_reads_back_the_same(tmp_path: Any) -> None:
    for card in CARDS:
        model = imported(card.stem)
        path = tmp_path / "model.toml"
        path.write_text(to_toml(model))
        assert workloads.read_model(path) == model


def test_the_tie_of_the_whole_file_wins() -> None:
    outer = {**raw("Qwen--Qwen3.5-27B"), "tie_word_embeddings": True}
    assert import_model(outer, "q", "config.json").tied_embeddings
