"""The page of load stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HEADER = """## Load stages of a server

Stages of `vllm_h100_stages.csv` (vLLM on H100, constant arrivals, shared system prompts), each a scenario answered by
`simcore simulate`: `simcore validate stages --table vllm_h100_stages.csv`. Nothing is fitted on them. Signed errors of
the means in per cent, where the client stands; overloaded stages are left out.

| stage | TTFT | TPOT | E2E |
|---|---|---|---|
"""
NOTES = """
Llama-2-7B keeps 32 KV heads: the operator table of vLLM's decode attention is a quarter above that of the same kernel
in SGLang there, and the ratio that other servers need on attention (1.1) comes on top; near saturation the queue
multiplies both. Llama-2-70B has neither.
"""


def page(rows: Sequence[Mapping[str, Any]], mean: Mapping[str, float]) -> str:
    """Markdown."""
    lines = [f"| {row['stage']} | " + " | ".join(f"{100 * row[name]:+.1f}" for name in mean) + " |" for row in rows]
    lines.append("| mean size | " + " | ".join(f"{100 * value:.1f}" for value in mean.values()) + " |")
    return HEADER + "\n".join(lines) + "\n" + NOTES
