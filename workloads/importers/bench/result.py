"""What a serving benchmark measured, whatever tool ran it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simcore.errors import InputError

METRICS = ("ttft", "tpot", "itl", "e2e")
STATISTICS = ("mean", "p50", "p90", "p95", "p99")
RATES = ("throughput_tokens_per_s", "requests_per_s")


@dataclass(frozen=True)
class BenchResult:
    """One run. Times are in seconds under the flat names of every verb (`ttft_p50_s`)."""

    tool: str
    requests: int
    input_tokens: float
    """mean per request"""
    output_tokens: float
    rate_per_s: float | None = None
    """of an open loop; None: all at once, or a closed loop"""
    users: int | None = None
    """most requests in flight; None: no limit"""
    lengths: tuple[tuple[int, int], ...] = ()
    """(input, output) of every request, where the tool saved them"""
    measured: Mapping[str, float] = field(default_factory=dict)

    def traffic(self) -> dict[str, Any]:
        """The [traffic] table that sends the same; lengths are the means where those of requests are not saved."""
        told: dict[str, Any] = {
            "input_tokens": max(1, round(self.input_tokens)),
            "output_tokens": max(1, round(self.output_tokens)),
            "requests": self.requests,
        }
        if self.rate_per_s is not None:
            return told | {"rate_per_s": self.rate_per_s}
        return told | ({"users": self.users} if self.users else {"arrivals": "once"})


def number(raw: Any, file: str, key: str) -> float | None:
    """A number of 0 or more; None where there is none. Raises InputError for anything else."""
    if raw is None or raw == "":
        return None
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw) or raw < 0:
        raise InputError(f"{str(raw)[:40]!r} is no measured number", file=file, key=key)
    return float(raw)


def count(raw: Any, file: str, key: str) -> int:
    """A count of one or more. Raises InputError."""
    found = number(raw, file, key)
    if found is None or found < 1 or found > 10**9:
        raise InputError("says not how many", file=file, key=key, fix="give the JSON of a whole run")
    return int(found)


def known(pairs: Mapping[str, float | None]) -> dict[str, float]:
    """Without what was not measured."""
    return {name: value for name, value in pairs.items() if value is not None}


def table(raw: Any, file: str, key: str) -> dict[str, Any]:
    """A table inside a result, empty where there is none. Raises InputError for anything else."""
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise InputError("is no table", file=file, key=key)
    return raw
