"""Names of served checkpoints."""

from __future__ import annotations

import pytest

from simcore.api import resolve
from simcore.errors import UnknownName
from validation.serving.models import is_dense, served_model


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("nvidia/Kimi-K2.5-NVFP4", "kimi-k2.5"),
        ("nvidia/DeepSeek-R1-0528-FP4-v2", "deepseek-r1"),
        ("nvidia/Llama-3.3-70B-Instruct-FP8", "llama-3.3-70b-instruct"),
        ("Qwen/Qwen3.5-397B-A17B-FP8", "qwen3.5-397b-a17b"),
        ("Qwen/Qwen3-32B-FP8", "qwen3-32b-fp8"),
        ("RedHatAI/Qwen3-8B-FP8-dynamic", "qwen3-8b"),
    ],
)
def test_a_quantised_copy_is_its_original(name: str, model: str) -> None:
    assert served_model(resolve, name) == resolve("model", model)


@pytest.mark.parametrize("name", ["zai-org/GLM-4.6", "nvidia/Nothing-7B-FP8"])
def test_an_unknown_name_is_told_as_given(name: str) -> None:
    with pytest.raises(UnknownName, match=name):
        served_model(resolve, name)


@pytest.mark.parametrize(("name", "dense"), [("Qwen/Qwen2.5-72B", True), ("openai/gpt-oss-20b", False), ("x/y", False)])
def test_dense_models_are_known_by_their_spec(name: str, dense: bool) -> None:
    assert is_dense(resolve, name) is dense
