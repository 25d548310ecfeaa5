"""Chunked prefill with the queue in the order of a program of one's own (`policy.rank`, `simcore.policy.program`)."""

from __future__ import annotations

from typing import Any

from simcore.policy.scheduler.chunked import compose

__all__ = ["compose", "rank"]


def rank(requests: Any, options: Any) -> Any:
    """As they came, where no program is given."""
    return requests["arrival_s"]
