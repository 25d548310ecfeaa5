"""Parameter counts as model cards print them, in units of the last printed digit's rounding."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """`total` and `active` in billions with half a unit of the last printed digit; `source` says where they stand.

    `other` is True where the card's total includes the vision tower.
    """

    stem: str
    total: float
    total_rounding: float
    active: float | None
    active_rounding: float
    source: str
    other: bool = False


CARDS = (
    Card("MiniMaxAI--MiniMax-M2.5", 230, 0.5, 10, 0.5, "MiniMax-M2 model card: 230B total, 10B active"),
    Card("Qwen--Qwen3-0.6B", 0.6, 0.05, None, 0, "Qwen3-0.6B model card: number of parameters 0.6B"),
    Card("Qwen--Qwen3-235B-A22B-FP8", 235, 0.5, 22, 0.5, "Qwen3-235B-A22B model card: 235B total, 22B activated"),
    Card("Qwen--Qwen3-235B-A22B", 235, 0.5, 22, 0.5, "Qwen3-235B-A22B model card: 235B total, 22B activated"),
    Card("Qwen--Qwen3-30B-A3B", 30.5, 0.05, 3.3, 0.05, "Qwen3-30B-A3B model card: 30.5B total, 3.3B activated"),
    Card("Qwen--Qwen3-32B-FP8", 32.8, 0.05, None, 0, "Qwen3-32B model card: number of parameters 32.8B"),
    Card("Qwen--Qwen3-32B", 32.8, 0.05, None, 0, "Qwen3-32B model card: number of parameters 32.8B"),
    Card("Qwen--Qwen3-8B", 8.2, 0.05, None, 0, "Qwen3-8B model card: number of parameters 8.2B"),
    Card("Qwen--Qwen3.5-27B", 27, 0.5, None, 0, "Qwen3.5-27B model card: number of parameters 27B"),
    Card("Qwen--Qwen3.5-397B-A17B", 397, 0.5, 17, 0.5, "Qwen3.5-397B-A17B model card: 397B total, 17B activated"),
    Card("deepseek-ai--DeepSeek-R1", 671, 0.5, 37, 0.5, "DeepSeek-R1 model card: 671B total, 37B activated"),
    Card("deepseek-ai--DeepSeek-V3.2", 671, 0.5, 37, 0.5, "DeepSeek-V3.2: V3's 671B / 37B, an indexer added"),
    Card("deepseek-ai--DeepSeek-V3", 671, 0.5, 36.7, 0.05, "DeepSeek-V3 README_WEIGHTS.md: 671B main, 36.7B active"),
    Card("google--gemma-4-26B-A4B", 25.2, 0.05, 3.8, 0.05, "Gemma 4 model card: 25.2B total, 3.8B active"),
    Card("meta-llama--Llama-4-Scout-17B-16E-Instruct", 109, 0.5, 17, 0.5, "Llama 4 card: 17B activated, 109B", True),
    Card("meta-llama--Meta-Llama-3.1-405B", 405, 0.5, None, 0, "Llama 3.1 model card: 405B"),
    Card("meta-llama--Meta-Llama-3.1-70B", 70.6, 0.05, None, 0, "Meta-Llama-3.1-70B page: model size 70.6B"),
    Card("meta-llama--Meta-Llama-3.1-8B", 8.03, 0.005, None, 0, "Meta-Llama-3.1-8B page: model size 8.03B"),
    Card("mistralai--Mixtral-8x22B-v0.1", 141, 0.5, 39, 0.5, "Mistral AI release of 8x22B: 141B, 39B active"),
    Card("mistralai--Mixtral-8x7B-v0.1", 46.7, 0.05, 12.9, 0.05, "Mistral AI release of 8x7B: 46.7B, 12.9B per token"),
    Card("moonshotai--Kimi-K2.5", 1000, 50, 32, 0.5, "Kimi K2.5 model card: 1T total, 32B activated", other=True),
    Card(
        "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
        31.6,
        0.05,
        3.6,
        0.05,
        "Nemotron 3 Nano technical report: 31.6B total, 3.6B active with embeddings",
    ),
    Card("openai--gpt-oss-120b", 116.83, 0.005, 5.13, 0.005, "gpt-oss model card, table 1: 116.83B, 5.13B active"),
    Card("openai--gpt-oss-20b", 20.91, 0.005, 3.61, 0.005, "gpt-oss model card, table 1: 20.91B, 3.61B active"),
    Card("zai-org--GLM-5", 744, 0.5, 40, 0.5, "GLM-5 model card: 744B total, 40B activated"),
)
