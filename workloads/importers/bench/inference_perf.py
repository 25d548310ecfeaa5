"""inference-perf's `summary_lifecycle_metrics.json` (or a stage's): `load_summary`, `successes`, `failures`.

Times in seconds under `successes.latency`, each with `mean`, `median`, `p90` and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simcore.errors import InputError
from workloads.importers.bench.result import STATISTICS, BenchResult, count, known, number, table

NAMES = {
    "ttft": "time_to_first_token",
    "tpot": "time_per_output_token",
    "itl": "inter_token_latency",
    "e2e": "request_latency",
}


def matches(raw: Mapping[str, Any]) -> bool:
    """Whether the file is one of these."""
    return "load_summary" in raw and "successes" in raw


def results(raw: Mapping[str, Any], file: str) -> Iterator[BenchResult]:
    """The run. Raises InputError."""
    done, sent = (table(raw.get(name), file, name) for name in ("successes", "load_summary"))
    latency, rates = (table(done.get(name), file, f"successes.{name}") for name in ("latency", "throughput"))
    found: dict[str, float | None] = {}
    for metric, name in NAMES.items():
        told = table(latency.get(name), file, f"successes.latency.{name}")
        for which in STATISTICS:
            value = told.get("median", told.get("p50")) if which == "p50" else told.get(which)
            found[f"{metric}_{which}_s"] = number(value, file, f"successes.latency.{name}.{which}")
    found["throughput_tokens_per_s"] = number(rates.get("output_tokens_per_sec"), file, "output_tokens_per_sec")
    found["requests_per_s"] = number(rates.get("requests_per_sec"), file, "requests_per_sec")
    lengths = [
        number(table(done.get(name), file, f"successes.{name}").get("mean"), file, f"successes.{name}.mean")
        for name in ("prompt_len", "output_len")
    ]
    if not all(lengths):
        raise InputError("says not how long requests were", file=file, key="successes.prompt_len")
    yield BenchResult(
        tool="inference-perf",
        requests=count(done.get("count"), file, "successes.count"),
        input_tokens=float(lengths[0] or 0),
        output_tokens=float(lengths[1] or 0),
        rate_per_s=number(sent.get("requested_rate") or sent.get("achieved_rate"), file, "load_summary.requested_rate"),
        measured=known(found),
    )
