"""`trtllm-serve` (https://nvidia.github.io/TensorRT-LLM/commands/trtllm-serve.html)."""

from __future__ import annotations

from typing import Any

from scenarios.launch.command import Flag, kv_format, parallel, whole

STARTS = (("trtllm-serve", "serve"), ("trtllm-serve",))
FLAGS = {
    "--model": Flag("model.name"),
    "--tp-size": Flag("plan.tp", whole),
    "--pp-size": Flag("plan.pp", whole),
    "--ep-size": Flag("plan.ep", whole),
    "--max-batch-size": Flag("policy.max_running", whole),
    "--max-num-tokens": Flag("policy.token_budget", whole),
    "--kv-cache-free-gpu-memory-fraction": Flag("policy.memory_fraction", float),
    "--free-gpu-memory-fraction": Flag("policy.memory_fraction", float),
    "--kv-cache-dtype": Flag("plan.kv", kv_format, words={"bf16": "auto", "fp8": "fp8"}),
}
NEUTRAL = {"--backend", "--max-seq-len", "--log-level", "--tokenizer"}


def settled(found: dict[str, Any]) -> dict[str, Any]:
    """Attention dp is an option of the file of `--extra_llm_api_options`, which is told as not read."""
    return parallel({**found}, 1, False)
