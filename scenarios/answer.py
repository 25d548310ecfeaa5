"""The flat answer that every verb gives: one schema of field names, whatever engine answered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scenarios.intervals import in_words, intervals_of
from scenarios.material import material_of
from scenarios.resolved import Resolved
from scenarios.run import Ready
from simcore.result import Result
from simcore.spec.formats import number_format

METRICS = ("ttft", "tpot", "itl", "e2e", "queue")
STATISTICS = ("mean", "p50", "p90", "p95", "p99")
COUNTS = ("requests", "served", "refused", "lost", "preemptions", "steps")
SPACE = ("kv_tokens", "max_concurrency", "need_bytes", "have_bytes")
RATES = (
    "throughput_tokens_per_s",
    "throughput_per_chip_tokens_per_s",
    "goodput_requests_per_s",
    "attainment_ratio",
    "mfu_ratio",
    "mbu_ratio",
    "kv_occupancy_ratio",
    "chip_power_w",
    "server_power_w",
    "facility_power_w",
    "energy_j_per_token",
    "usd_per_million_tokens",
)
FIELDS = (*(f"{m}_{s}_s" for m in METRICS for s in STATISTICS), *COUNTS, *SPACE, *RATES)
"""numbers of an answer; a number that an engine does not know is null"""


MORE = ("throughput", "goodput", "attainment", "mfu", "mbu", "kv_tokens", "max_concurrency", "cache_hit")
LESS = ("ttft", "tpot", "itl", "e2e", "queue", "usd", "energy", "power_w", "preempt", "refused", "lost", "step_time")
"""words in the names of figures of which more, or less, is better"""


def is_more_better(name: str) -> bool | None:
    """Whether more of a figure is to be wished; None where it is neither better nor worse.

    >>> is_more_better("goodput_requests_per_s"), is_more_better("ttft_p99_s"), is_more_better("steps")
    (True, False, None)
    """
    if any(word in name for word in MORE):
        return True
    return False if any(word in name for word in LESS) else None


def flat(values: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """All of `FIELDS`, missing and infinite ones None, then `more`."""
    return {name: plain(values.get(name)) for name in FIELDS} | more


def plain(value: Any) -> Any:
    """A number for JSON: NaN and infinity become None."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value.item() if hasattr(value, "item") else value


def formats_of(found: Resolved | None) -> dict[str, str] | None:
    """The formats that a plan runs in."""
    if found is None:
        return None
    return dict(
        zip(
            ("weights", "experts", "activations", "kv"),
            (number_format(name).name for name in found.plan.formats()),
            strict=True,
        )
    )


def of_simulation(report: Mapping[str, Any], ready: Ready) -> dict[str, Any]:
    """The summary of a run (`simcore.engine.metrics.summary`, with cost and power) as flat fields."""
    values = numbers_of(report)
    return flat(values, **common(ready.resolved, ready.infeasible, ready.assumptions, values=values))


def numbers_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a run's summary under the names of every verb."""
    values: dict[str, Any] = {}
    for metric in METRICS:
        told = report.get(f"{metric}_s") or {}
        values |= {f"{metric}_{statistic}_s": told.get(statistic) for statistic in STATISTICS}
    return values | {name: report.get(name) for name in (*COUNTS, *RATES, *SPACE)}


def named(known: Mapping[str, Any]) -> dict[str, Any]:
    """The analytic engine's figures under the names of every verb: its latencies are means, and those of TTFT and of
    what contains it are at one quantile of the input length."""
    values: dict[str, Any] = {
        f"{m}_{s}_s": known.get(f"{m}_s") for m in ("ttft", "tpot", "e2e") for s in ("mean", "p50")
    }
    values |= {"itl_mean_s": known.get("tpot_s"), "queue_mean_s": known.get("queue_s")}
    return values | {name: known.get(name) for name in (*SPACE, *RATES)}


def of_estimate(result: Result, found: Resolved) -> dict[str, Any]:
    """An analytic result as flat fields: means, and TTFT at the scenario's quantile of the input length."""
    reason = str(result.infeasible) if result.infeasible else None
    values = named(result.values)
    assumed = tuple(f"{k}: {v}" for k, v in result.assumptions.items())
    return flat(values, **common(found, reason, assumed, result.notes, values))


def common(
    found: Resolved | None,
    reason: str | None,
    assumptions: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    values: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What every answer says beside its numbers, with the intervals of those in `values`."""
    told = () if found is None else found.notes
    notes = (*notes, *in_words(found)) if reason is None else notes
    return {
        "feasible": reason is None,
        "reason": reason,
        "assumptions": list(assumptions),
        "notes": list(dict.fromkeys((*told, *notes))),
        "intervals": intervals_of(found, values or {}) if reason is None else {},
        "formats": formats_of(found),
        **(material_of(found, values or {}) if reason is None else {}),
        "stack": None if found is None else found.release.name,
    }
