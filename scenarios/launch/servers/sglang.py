"""`python -m sglang.launch_server` (https://docs.sglang.ai/advanced_features/server_arguments.html)."""

from __future__ import annotations

from typing import Any

from scenarios.launch.command import Flag, kv_format, parallel, weight_format, whole

STARTS = (("sglang.launch_server",), ("sglang", "serve"))
FLAGS = {
    "--model-path": Flag("model.name"),
    "--model": Flag("model.name"),
    "--tp-size": Flag("plan.tp", whole),
    "--tensor-parallel-size": Flag("plan.tp", whole),
    "--tp": Flag("plan.tp", whole),
    "--pp-size": Flag("plan.pp", whole),
    "--pipeline-parallel-size": Flag("plan.pp", whole),
    "--dp-size": Flag("ranks", whole),
    "--data-parallel-size": Flag("ranks", whole),
    "--dp": Flag("ranks", whole),
    "--enable-dp-attention": Flag("attends apart", value=True),
    "--ep-size": Flag("plan.ep", whole),
    "--expert-parallel-size": Flag("plan.ep", whole),
    "--ep": Flag("plan.ep", whole),
    "--mem-fraction-static": Flag("policy.memory_fraction", float),
    "--chunked-prefill-size": Flag("policy.token_budget", whole),
    "--max-running-requests": Flag("policy.max_running", whole),
    "--kv-cache-dtype": Flag("plan.kv", kv_format, words={"bf16": "bf16", "fp8": "fp8_e4m3"}),
    "--quantization": Flag("plan.weights", weight_format),
    "--disable-cuda-graph": Flag("policy.graphs", value=False),
    "--disable-overlap-schedule": Flag("policy.overlap_scheduling", value=False),
    "--enable-mixed-chunk": Flag("policy.scheduler", value="chunked"),
    "--scheduler-recv-interval": Flag("policy.stream_interval", whole),
    "--page-size": Flag("policy.block_tokens", whole),
    "--speculative-num-draft-tokens": Flag("policy.draft_tokens", whole),
}
NEUTRAL = {
    "--stream-interval",
    "--max-prefill-tokens",
    "--cuda-graph-max-bs",
    "--attention-backend",
    "--moe-runner-backend",
    "--enable-flashinfer-allreduce-fusion",
    "--enable-symm-mem",
    "--tokenizer-worker-num",
    "--decode-log-interval",
    "--tokenizer-path",
    "--log-level",
    "--enable-metrics",
    "--disable-radix-cache",
    "--random-seed",
    "--context-length",
    "--watchdog-timeout",
}


# A stream interval delays no first token, which is sent at once (scheduler_output_processor_mixin.py); the poll for new
# requests does, by up to its interval in steps, and the first token with it.


def settled(found: dict[str, Any]) -> dict[str, Any]:
    """With attention dp, `--tp-size` counts all chips of the replica, its ranks included."""
    found = {**found}
    ranks, apart = int(found.pop("ranks", 1)), bool(found.pop("attends apart", False))
    if apart and ranks > 1:
        found["plan.tp"] = max(1, int(found.get("plan.tp") or 1) // ranks)
    return parallel(found, ranks, apart)
