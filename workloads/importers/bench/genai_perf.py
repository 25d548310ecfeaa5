"""genai-perf's `profile_export_genai_perf.json` (AIPerf writes the same): metrics with `unit`, `avg`, `p50`, `p90`.

`input_config` holds the command: the load is `concurrency` or `request_rate`, under `perf_analyzer.stimulus` in newer
releases and at the top in older ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simcore.errors import InputError
from workloads.importers.bench.result import STATISTICS, BenchResult, count, known, number, table

NAMES = {"ttft": "time_to_first_token", "itl": "inter_token_latency", "e2e": "request_latency"}
SECONDS = {"ms": 1e-3, "us": 1e-6, "ns": 1e-9, "s": 1.0, "sec": 1.0}


def matches(raw: Mapping[str, Any]) -> bool:
    """Whether the file is one of these."""
    return "time_to_first_token" in raw and "request_throughput" in raw


def results(raw: Mapping[str, Any], file: str) -> Iterator[BenchResult]:
    """The run. Raises InputError."""

    def told(name: str, which: str) -> float | None:
        return number(
            table(raw.get(name), file, name).get("avg" if which == "mean" else which), file, f"{name}.{which}"
        )

    found: dict[str, float | None] = {}
    for metric, name in NAMES.items():
        unit = str(table(raw.get(name), file, name).get("unit", "ms"))
        if unit not in SECONDS:
            raise InputError(f"unknown unit {unit[:20]!r}", file=file, key=f"{name}.unit", fix=" or ".join(SECONDS))
        for which in STATISTICS:
            value = told(name, which)
            found[f"{metric}_{which}_s"] = None if value is None else value * SECONDS[unit]
    # the tool's inter-token latency is per request, (e2e - ttft) / (output - 1): the field's TPOT
    found |= {f"tpot_{which}_s": found.pop(f"itl_{which}_s") for which in STATISTICS}
    found["throughput_tokens_per_s"] = told("output_token_throughput", "mean")
    found["requests_per_s"] = told("request_throughput", "mean")
    lengths = [told(f"{side}_sequence_length", "mean") for side in ("input", "output")]
    if not all(lengths):
        raise InputError("says not how long requests were", file=file, key="input_sequence_length")
    rate, users = load(table(raw.get("input_config"), file, "input_config"), file)
    requests = told("request_count", "mean")
    yield BenchResult(
        tool="genai-perf",
        requests=count(requests if requests else max(10 * (users or 1), 100), file, "request_count"),
        input_tokens=float(lengths[0] or 0),
        output_tokens=float(lengths[1] or 0),
        rate_per_s=rate,
        users=users,
        measured=known(found),
    )


def load(said: dict[str, Any], file: str) -> tuple[float | None, int | None]:
    """(rate, users) of the command."""
    inner = table(table(said.get("perf_analyzer"), file, "perf_analyzer").get("stimulus"), file, "stimulus")
    more = table(said.get("loadgen"), file, "loadgen")
    for holder in (inner, more, said):
        if holder.get("concurrency"):
            return None, count(holder["concurrency"], file, "concurrency")
        if holder.get("request_rate"):
            return number(holder["request_rate"], file, "request_rate"), None
    return None, None
