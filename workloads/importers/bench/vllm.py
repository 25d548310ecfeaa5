"""`vllm bench serve --save-result` (benchmark_serving.py before) and `sglang.bench_serving --output-file`.

Times stand as `mean_ttft_ms`, `p99_itl_ms`, with `e2el` (vLLM) or `e2e_latency` (SGLang) for whole requests;
`request_rate` is a number or "inf"; `max_concurrency` limits requests in flight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simcore.errors import InputError
from workloads.importers.bench.result import STATISTICS, BenchResult, count, known, number

NAMES = {"ttft": ("ttft",), "tpot": ("tpot",), "itl": ("itl",), "e2e": ("e2el", "e2e_latency")}
SAID = {"mean": "mean", "p50": "median"}


def matches(raw: Mapping[str, Any]) -> bool:
    """Whether the file is one of these."""
    return "mean_ttft_ms" in raw and "completed" in raw


def results(raw: Mapping[str, Any], file: str) -> Iterator[BenchResult]:
    """The run. Raises InputError."""
    requests = count(raw.get("completed"), file, "completed")
    totals = [number(raw.get(f"total_{side}_tokens"), file, f"total_{side}_tokens") for side in ("input", "output")]
    if None in totals:
        raise InputError("says not how long requests were", file=file, key="total_input_tokens")
    inputs, outputs = (float(total or 0.0) / requests for total in totals)
    rate, users = raw.get("request_rate"), raw.get("max_concurrency")
    yield BenchResult(
        tool="sglang" if str(raw.get("backend", "")).startswith("sglang") else "vllm",
        requests=requests,
        input_tokens=inputs,
        output_tokens=outputs,
        rate_per_s=None if users or rate in (None, "inf", "Infinity") else number(rate, file, "request_rate"),
        users=count(users, file, "max_concurrency") if users else None,
        lengths=lengths(raw, file),
        measured=measured(raw, file),
    )


def measured(raw: Mapping[str, Any], file: str) -> dict[str, float]:
    """Times in seconds and rates."""
    found: dict[str, float | None] = {}
    for metric, names in NAMES.items():
        for statistic in STATISTICS:
            keys = (f"{SAID.get(statistic, statistic)}_{name}_ms" for name in names)
            key = next((key for key in keys if raw.get(key) is not None), None)
            value = None if key is None else number(raw[key], file, key)
            found[f"{metric}_{statistic}_s"] = None if value is None else value / 1e3
    found["throughput_tokens_per_s"] = number(raw.get("output_throughput"), file, "output_throughput")
    found["requests_per_s"] = number(raw.get("request_throughput"), file, "request_throughput")
    return known(found)


def lengths(raw: Mapping[str, Any], file: str) -> tuple[tuple[int, int], ...]:
    """Per request where the result is a detailed one; failed requests, whose output is empty, are left out."""
    inputs, outputs = raw.get("input_lens"), raw.get("output_lens")
    if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs):
        return ()
    pairs = [
        (number(i, file, "input_lens"), number(o, file, "output_lens")) for i, o in zip(inputs, outputs, strict=True)
    ]
    return tuple((int(i), int(o)) for i, o in pairs if i and o)
