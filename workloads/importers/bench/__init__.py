"""Results of serving benchmarks, one file per tool, each giving one `BenchResult` per run.

A new tool is one new file here with `matches(raw)` and `results(raw, file)`, and its name below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simcore.errors import InputError
from simcore.spec.load import json_of, read_json, read_text
from workloads.importers.bench import genai_perf, guidellm, inference_perf, vllm
from workloads.importers.bench.result import BenchResult

__all__ = ["BenchResult", "read_results"]

TOOLS = (vllm, guidellm, inference_perf, genai_perf)


def read_results(path: str | Path) -> list[BenchResult]:
    """The runs of a result file. Raises InputError for what no importer knows."""
    raw = read(Path(path))
    for tool in TOOLS:
        if tool.matches(raw):
            return list(tool.results(raw, str(path)))
    what = "is no result of vLLM's or SGLang's benchmark, GuideLLM, inference-perf or genai-perf that simcore knows"
    raise InputError(what, file=str(path), fix="give the JSON that the tool saved")


def read(path: Path) -> dict[str, Any]:
    """A JSON object, or the last one of a file with one per line (SGLang appends)."""
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].rstrip().endswith("}"):
        try:
            last = json_of(lines[-1])
        except (ValueError, RecursionError):
            last = None
        if isinstance(last, dict):
            return last
    return read_json(path)
