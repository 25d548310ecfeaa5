"""Checkpoints as they are published: quantisation beside the config.json, attention partly excluded, methods left out,
layers as words, wrappers of known text models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import workloads
from simcore.errors import InputError
from simcore.spec.model import Attention, Mamba2, ModelSpec
from workloads.importers.huggingface import import_model, text_family

DENSE = {
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
}
ROUTED = {
    **DENSE,
    "model_type": "qwen3_moe",
    "head_dim": 64,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 128,
}


def read(raw: dict[str, Any], **more: Any) -> ModelSpec:
    return import_model({**raw, **more}, "m", "config.json")


@pytest.mark.parametrize(
    ("table", "native", "kv"),
    [
        ({"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"}, "fp4", "fp8"),
        ({"quant_algo": "FP8", "kv_cache_quant_algo": None}, "fp8", "bf16"),
        ({"quant_algo": "FP8", "kv_cache_quant_algo": "auto"}, "fp8", "bf16"),
        ({"quant_algo": "FP8", "kv_cache_quant_algo": "NVFP4"}, "fp8", "fp4"),
    ],
)
def test_quantisation_in_a_file_beside(tmp_path: Path, table: dict[str, Any], native: str, kv: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(DENSE))
    (tmp_path / "hf_quant_config.json").write_text(
        json.dumps({"producer": {"name": "modelopt"}, "quantization": {**table, "exclude_modules": ["lm_head"]}})
    )
    for path in (tmp_path, tmp_path / "config.json"):
        model = workloads.model_or_file(str(path))
        assert (model.native_format, model.kv_format) == (native, kv)


def test_the_config_json_s_own_table_comes_first_and_an_unknown_algorithm_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "hf_quant_config.json"
    file.write_text(json.dumps({"quantization": {"quant_algo": "NVFP4"}}))
    (tmp_path / "config.json").write_text(json.dumps({**DENSE, "quantization_config": {"quant_method": "fp8"}}))
    assert workloads.model_or_file(str(tmp_path)).native_format == "fp8"
    (tmp_path / "config.json").write_text(json.dumps(DENSE))
    file.write_text(json.dumps({"quantization": {"quant_algo": "MIXED"}}))
    with pytest.raises(InputError, match="quant_algo: 'MIXED' is not known"):
        workloads.model_or_file(str(tmp_path))


def every(*names: str) -> list[str]:
    return [f"model.layers.{i}.{name}" for i in range(4) for name in names]


@pytest.mark.parametrize(
    ("excluded", "kept"),
    [
        (["lm_head"], False),
        (every("self_attn.q_norm", "self_attn.k_norm", "mlp.gate"), False),
        (every("self_attn.indexers_proj"), False),
        (every("self_attn.kv_b_proj"), False),
        (["model.layers.0.self_attn"], False),
        (every("self_attn"), True),
        (["model.layers.*.self_attn*"], True),
        (["re:.*self_attn.*"], True),
        ([r"re:.*self_attn\.(q|k|v|o)_proj$"], True),
        (every("self_attn.qkv_proj", "self_attn.o_proj"), True),
        (every("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"), True),
        (["model.layers.0.linear_attn", "model.layers.1.linear_attn", *every("self_attn")[2:]], True),
    ],
)
@pytest.mark.parametrize("key", ["modules_to_not_convert", "ignore"])
def test_attention_is_kept_where_its_projections_are(excluded: list[str], kept: bool, key: str) -> None:
    model = read(ROUTED, quantization_config={"quant_method": "fp8", "weight_block_size": [128, 128], key: excluded})
    expected = ("bf16", "fp8-block") if kept else ("fp8-block", None)
    assert (model.native_format, model.expert_format) == expected


@pytest.mark.parametrize(
    ("table", "native", "kv"),
    [
        ({"producer": {"name": "modelopt"}, "quant_algo": "FP8", "kv_cache_scheme": "FP8"}, "fp8", "fp8"),
        ({"quant_algo": "NVFP4", "kv_cache_scheme": {"num_bits": 8, "type": "float"}}, "fp4", "fp8"),
        ({"config_groups": {"g": {"weights": {"type": "float", "num_bits": 8}}}}, "fp8", "bf16"),
    ],
)
def test_a_method_that_is_left_out_is_told_by_its_keys(table: dict[str, Any], native: str, kv: str) -> None:
    model = read(DENSE, quantization_config=table)
    assert (model.native_format, model.kv_format) == (native, kv)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (7, "is not an object"),
        ({"bits": 4}, "quant_method: is missing"),
        ({"quant_method": {"a": 1}}, "a table is no known method"),
        ({"quant_method": "fp8", "kv_cache_scheme": "FP3"}, "'FP3' is not known"),
        ({"quant_method": "fp8", "kv_cache_scheme": {"num_bits": 2}}, "2-bit float is not modelled"),
    ],
)
def test_quantisation_that_says_nothing_known_is_refused(table: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(DENSE, quantization_config=table)


HYBRID = {
    "model_type": "nemotron_h",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "mamba_num_heads": 8,
    "mamba_head_dim": 32,
    "ssm_state_size": 64,
    "n_groups": 2,
    "conv_kernel": 4,
    "vocab_size": 1000,
    "mlp_hidden_act": "relu2",
}


def test_layers_as_words_are_the_layers_as_letters() -> None:
    words = read(HYBRID, layers_block_type=["mamba", "mlp", "attention", "mamba", "mlp"])
    assert words == read(HYBRID, hybrid_override_pattern="M-*M-", num_hidden_layers=5)
    assert [type(g.mixer) for g in words.layers] == [Mamba2, type(None), Attention]
    with pytest.raises(InputError, match="layers_block_type: unknown kind of layer 'lstm'"):
        read(HYBRID, layers_block_type=["mamba", "lstm"])
    with pytest.raises(InputError, match="one entry for each of the 3 layers"):
        read(HYBRID, layers_block_type=["mamba", "mlp"], num_hidden_layers=3)


def test_a_list_of_kinds_counts_the_layers() -> None:
    kinds = ["sliding_attention", "full_attention"]
    listed = {**DENSE, "model_type": "mistral", "sliding_window": 128, "layer_types": kinds}
    counted = read(listed, num_hidden_layers=2)
    assert read({k: v for k, v in listed.items() if k != "num_hidden_layers"}) == counted


@pytest.mark.parametrize("holder", ["text_config", "llm_config", "language_config"])
@pytest.mark.parametrize("outer", ["mistral3", "llava", "internvl_chat", "some_new_vl"])
def test_a_wrapper_of_a_known_text_model_is_read(holder: str, outer: str) -> None:
    whole = {"model_type": outer, holder: DENSE, "vision_config": {"model_type": "pixtral", "hidden_size": 64}}
    model = import_model(whole, "m", "config.json")
    assert model.layers == read(DENSE).layers and model.parameters == read(DENSE).parameters
    assert model.other_parameters == 0
    assert model.sources["config"].note == f"text model of {outer}; vision_config left out"


def test_quantisation_of_a_wrapper_is_its_text_model_s() -> None:
    whole = {"model_type": "mistral3", "text_config": DENSE, "quantization_config": {"quant_method": "fp8"}}
    assert import_model(whole, "m", "config.json").native_format == "fp8"


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("qwen3_vl_text", "qwen3"),
        ("qwen3_vl_moe_text", "qwen3_moe"),
        ("qwen2_5_vl_text", "qwen2"),
        ("qwen2_vl", "qwen2"),
        ("glm4v_moe_text", "glm4_moe"),
        ("llama", "llama"),
        ("novel_text", "novel_text"),
    ],
)
def test_text_models_of_wrappers_have_a_family(name: str, family: str) -> None:
    assert text_family(name) == family


@pytest.mark.parametrize(
    ("whole", "words"),
    [
        ({"model_type": "novel", "text_config": {**DENSE, "model_type": "lama"}}, "text_config.model_type.*'lama'"),
        ({"model_type": "novel", "text_config": {"hidden_size": 4}}, "without a model_type"),
        ({"model_type": "novel", "llm_config": 3}, "llm_config: is not an object"),
        ({"model_type": "novel"}, "unknown architecture 'novel'"),
    ],
)
def test_wrappers_of_nothing_known_are_refused(whole: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        import_model(whole, "m", "config.json")
