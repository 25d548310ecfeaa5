"""Chunked prefill with the queue in order of priority (lower number first), then of arrival."""

from __future__ import annotations

from simcore.policy.scheduler.chunked import compose

ORDER = "priority"

__all__ = ["ORDER", "compose"]
