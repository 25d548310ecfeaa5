"""`vllm serve` (https://docs.vllm.ai/en/latest/cli/serve/)."""

from __future__ import annotations

from typing import Any

from scenarios.launch.command import Flag, kv_format, parallel, weight_format, whole
from simcore.spec.load import json_of

STARTS = (("vllm", "serve"), ("vllm.entrypoints.openai.api_server",))


def drafted(text: str) -> int:
    """Tokens that `--speculative-config` drafts per step."""
    told = json_of(text)
    if not isinstance(told, dict):
        raise ValueError(f"{text} is no JSON object")
    return whole(str(told["num_speculative_tokens"]))


FLAGS = {
    "--model": Flag("model.name"),
    "--tensor-parallel-size": Flag("plan.tp", whole),
    "-tp": Flag("plan.tp", whole),
    "--pipeline-parallel-size": Flag("plan.pp", whole),
    "-pp": Flag("plan.pp", whole),
    "--data-parallel-size": Flag("ranks", whole),
    "-dp": Flag("ranks", whole),
    "--enable-expert-parallel": Flag("experts apart", value=True),
    "--max-num-batched-tokens": Flag("policy.token_budget", whole),
    "--max-num-seqs": Flag("policy.max_running", whole),
    "--gpu-memory-utilization": Flag("policy.memory_fraction", float),
    "--kv-cache-dtype": Flag("plan.kv", kv_format, words={"bf16": "bfloat16", "fp8": "fp8"}),
    "--quantization": Flag("plan.weights", weight_format),
    "-q": Flag("plan.weights", weight_format),
    "--max-cudagraph-capture-size": Flag("policy.graph_tokens", whole),
    "--enforce-eager": Flag("policy.graphs", value=False),
    "--block-size": Flag("policy.block_tokens", whole),
    "--async-scheduling": Flag("policy.overlap_scheduling", value=True),
    "--no-async-scheduling": Flag("policy.overlap_scheduling", value=False),
    "--speculative-config": Flag("policy.draft_tokens", drafted),
    "--num-speculative-tokens": Flag("policy.draft_tokens", whole),
}
NEUTRAL = {
    "--tokenizer",
    "--stream-interval",
    "--seed",
    "--disable-log-requests",
    "--disable-log-stats",
    "--max-model-len",
    "--enable-chunked-prefill",
    "--distributed-executor-backend",
    "--config",
    "--chat-template",
    "--reasoning-parser",
    "--tool-call-parser",
    "--enable-auto-tool-choice",
    "--no-enable-prefix-caching",
    "--no-enable-log-requests",
    "--uvicorn-log-level",
    "--generation-config",
}
"""move no answer, or say what holds anyway: a stream interval delays no first token, which is sent at once"""


def settled(found: dict[str, Any]) -> dict[str, Any]:
    """Data-parallel ranks share the experts of a model; with expert parallelism over all of them."""
    found = {**found}
    ranks, apart = int(found.pop("ranks", 1)), bool(found.pop("experts apart", False))
    if apart:
        found["plan.ep"] = int(found.get("plan.tp") or 1) * ranks
    return parallel(found, ranks, apart)
