"""Chunked prefill with the earliest deadline first: arrival plus the TTFT bound of the request's SLO class."""

from __future__ import annotations

from simcore.policy.scheduler.chunked import compose

ORDER = "deadline"

__all__ = ["ORDER", "compose"]
