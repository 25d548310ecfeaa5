"""Names of served checkpoints."""

from __future__ import annotations

import pytest

from scenarios.names import resolve
from simcore import api
from simcore.errors import UnknownName
from validation.serving.models import is_dense


@pytest.mark.parametrize(
    ("name", "model", "weights"),
    [
        ("nvidia/Kimi-K2.5-NVFP4", "kimi-k2.5", "nvfp4"),
        ("nvidia/DeepSeek-R1-0528-FP4-v2", "deepseek-r1", "nvfp4"),
        ("nvidia/Llama-3.3-70B-Instruct-FP8", "llama-3.3-70b-instruct", "fp8"),
        ("Qwen/Qwen3.5-397B-A17B-FP8", "qwen3.5-397b-a17b", "fp8-block"),
        ("Qwen/Qwen3-235B-A22B-Thinking-2507-FP8", "qwen3-235b-a22b-fp8", None),
        ("Qwen/Qwen3-32B-FP8", "qwen3-32b-fp8", None),
        ("RedHatAI/Qwen3-8B-FP8-dynamic", "qwen3-8b", "fp8"),
        ("google/gemma-3-12b-it", "gemma-3-12b", None),
    ],
)
def test_a_suffix_leads_to_the_known_model_with_the_format_that_it_names(
    name: str, model: str, weights: str | None
) -> None:
    found, base = resolve("model", name), resolve("model", model).value
    field = "expert_format" if base.expert_format else "native_format"
    expected = base if weights is None else base.replace(**{field: weights})
    assert found.value == expected
    assert (weights is None) == (not found.notes)


@pytest.mark.parametrize("name", ["zai-org/GLM-4.6", "nvidia/Nothing-7B-FP8"])
def test_an_unknown_name_is_told_as_given(name: str) -> None:
    with pytest.raises(UnknownName, match=name):
        api.resolve("model", name)


@pytest.mark.parametrize(("name", "dense"), [("Qwen/Qwen2.5-72B", True), ("openai/gpt-oss-20b", False), ("x/y", False)])
def test_dense_models_are_known_by_their_spec(name: str, dense: bool) -> None:
    assert is_dense(api.resolve, name) is dense
