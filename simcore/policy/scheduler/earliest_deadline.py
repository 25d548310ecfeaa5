"""Chunked prefill with the earliest deadline first: arrival plus the TTFT bound of the request's SLO class."""

from __future__ import annotations

from typing import Any

from simcore.policy.scheduler.chunked import compose

__all__ = ["compose", "rank"]


def rank(requests: Any, options: Any) -> Any:
    """The latest time of the first token."""
    return requests["deadline_s"]
