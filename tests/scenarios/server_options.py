"""The options of servers that a command of ours may name, as parsers that refuse what the servers refuse.

Names, types and choices as the servers' own pages state them (facts, read November 2026):
vLLM 0.11 and later, https://docs.vllm.ai/en/latest/cli/serve/ and the choices of its `CacheDType`;
SGLang 0.5, https://docs.sglang.io/advanced_features/server_arguments.html;
TensorRT-LLM 1.2, https://nvidia.github.io/TensorRT-LLM/commands/trtllm-serve.html.
The servers themselves need a GPU's libraries to be installed at all.
"""

from __future__ import annotations

import argparse
from typing import NoReturn

COUNT, SHARE = "count", "share"
VLLM: dict[tuple[str, ...], str | tuple[str, ...] | None] = {
    ("--tensor-parallel-size", "-tp"): COUNT,
    ("--pipeline-parallel-size", "-pp"): COUNT,
    ("--data-parallel-size", "-dp"): COUNT,
    ("--enable-expert-parallel",): None,
    ("--max-num-batched-tokens",): COUNT,
    ("--max-num-seqs",): COUNT,
    ("--gpu-memory-utilization",): SHARE,
    ("--kv-cache-dtype",): ("auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_ds_mla"),
    ("--enforce-eager",): None,
    ("--async-scheduling",): None,
    ("--no-async-scheduling",): None,
}
SGLANG: dict[tuple[str, ...], str | tuple[str, ...] | None] = {
    ("--model-path", "--model"): "str",
    ("--tensor-parallel-size", "--tp-size", "--tp"): COUNT,
    ("--pipeline-parallel-size", "--pp-size"): COUNT,
    ("--data-parallel-size", "--dp-size", "--dp"): COUNT,
    ("--expert-parallel-size", "--ep-size", "--ep"): COUNT,
    ("--enable-dp-attention",): None,
    ("--mem-fraction-static",): SHARE,
    ("--chunked-prefill-size",): COUNT,
    ("--max-running-requests",): COUNT,
    ("--kv-cache-dtype",): ("auto", "fp8_e5m2", "fp8_e4m3", "bf16", "bfloat16", "fp4_e2m1"),
    ("--disable-cuda-graph",): None,
    ("--disable-overlap-schedule",): None,
}
TRTLLM: dict[tuple[str, ...], str | tuple[str, ...] | None] = {
    ("--tp_size",): COUNT,
    ("--pp_size",): COUNT,
    ("--ep_size",): COUNT,
    ("--max_batch_size",): COUNT,
    ("--max_num_tokens",): COUNT,
    ("--kv_cache_free_gpu_memory_fraction", "--free_gpu_memory_fraction"): SHARE,
    ("--kv_cache_dtype",): ("auto", "fp8", "nvfp4"),
}
STARTS = {
    "vllm": (["vllm", "serve"], VLLM, True),
    "sglang": (["python", "-m", "sglang.launch_server"], SGLANG, False),
    "trtllm": (["trtllm-serve"], TRTLLM, True),
}
"""server -> (words that start it, options, whether the model stands alone)"""


class Strict(argparse.ArgumentParser):
    """Raises ValueError where a server would print its usage and end."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def count(text: str) -> int:
    """A whole number of 1 or more."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def share(text: str) -> float:
    """Above 0, at most 1."""
    if not 0 < float(text) <= 1:
        raise ValueError(text)
    return float(text)


def accepted(server: str, words: list[str]) -> argparse.Namespace:
    """What the server's options make of a command. Raises ValueError for a command that it refuses."""
    start, options, alone = STARTS[server]
    if words[: len(start)] != start:
        raise ValueError(f"{words} does not start {server}")
    parser = Strict(allow_abbrev=False)
    if alone:
        parser.add_argument("model_tag")
    for names, kind in options.items():
        if kind is None:
            parser.add_argument(*names, action="store_true")
        elif isinstance(kind, tuple):
            parser.add_argument(*names, choices=kind)
        else:
            parser.add_argument(*names, type={COUNT: count, SHARE: share, "str": str}[kind])
    return parser.parse_args(words[len(start) :])
