"""Chunked prefill with the queue in order of priority (lower number first), then of arrival."""

from __future__ import annotations

from typing import Any

from simcore.policy.scheduler.chunked import compose

__all__ = ["compose", "rank"]


def rank(requests: Any, options: Any) -> Any:
    """Lower number first."""
    return requests["priority"]
