"""GuideLLM's JSON (`--output-path x.json`): one entry of `benchmarks` per rate, metrics split by how requests ended.

Of each metric the successful requests count: `mean`, `median` and `percentiles` (p90, p95, p99), times in ms and
`request_latency` in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simcore.errors import InputError
from workloads.importers.bench.result import STATISTICS, BenchResult, count, known, number, table

NAMES = {
    "ttft": ("time_to_first_token_ms", 1e-3),
    "tpot": ("time_per_output_token_ms", 1e-3),
    "itl": ("inter_token_latency_ms", 1e-3),
    "e2e": ("request_latency", 1.0),
}


def matches(raw: Mapping[str, Any]) -> bool:
    """Whether the file is one of these."""
    runs = raw.get("benchmarks")
    return isinstance(runs, list) and bool(runs) and isinstance(runs[0], dict) and "metrics" in runs[0]


def results(raw: Mapping[str, Any], file: str) -> Iterator[BenchResult]:
    """The runs. Raises InputError."""
    for place, run in enumerate(raw["benchmarks"]):
        yield result(table(run, file, f"benchmarks.{place}"), file, f"benchmarks.{place}")


def result(run: dict[str, Any], file: str, at: str) -> BenchResult:
    """One rate."""
    metrics = table(run.get("metrics"), file, f"{at}.metrics")

    def good(name: str) -> dict[str, Any]:
        whole = table(metrics.get(name), file, f"{at}.metrics.{name}")
        return table(whole.get("successful"), file, f"{at}.metrics.{name}.successful")

    def statistic(name: str, which: str) -> float | None:
        told = good(name)
        said = {"mean": "mean", "p50": "median"}.get(which)
        value = told.get(said) if said else table(told.get("percentiles"), file, f"{at}.{name}.percentiles").get(which)
        return number(value, file, f"{at}.metrics.{name}")

    measured = {
        f"{metric}_{which}_s": None if (value := statistic(name, which)) is None else value * scale
        for metric, (name, scale) in NAMES.items()
        for which in STATISTICS
    }
    measured["throughput_tokens_per_s"] = statistic("output_tokens_per_second", "mean")
    measured["requests_per_s"] = statistic("requests_per_second", "mean")
    lengths = [statistic(f"{side}_token_count", "mean") for side in ("prompt", "output")]
    if not all(lengths):
        raise InputError("says not how long requests were", file=file, key=f"{at}.metrics.prompt_token_count")
    rate, users = load(run, file, at)
    requests = count(good("request_latency").get("count"), file, f"{at}.metrics.request_latency.successful.count")
    return BenchResult(
        "guidellm", requests, float(lengths[0] or 0), float(lengths[1] or 0), rate, users, (), known(measured)
    )


def load(run: dict[str, Any], file: str, at: str) -> tuple[float | None, int | None]:
    """(rate, users) of the strategy: synchronous is one user, throughput all at once."""
    holder = table(run.get("config") or run.get("args"), file, f"{at}.config")
    strategy = table(holder.get("strategy"), file, f"{at}.config.strategy")
    kind = str(strategy.get("type_", ""))
    if kind == "synchronous":
        return None, 1
    if kind == "concurrent":
        return None, count(strategy.get("streams"), file, f"{at}.config.strategy.streams")
    if kind in ("constant", "poisson"):
        return number(strategy.get("rate"), file, f"{at}.config.strategy.rate"), None
    return None, None
