"""Chunked prefill with the shortest request first, by input and output tokens (the output as if it were known)."""

from __future__ import annotations

from simcore.policy.scheduler.chunked import compose

ORDER = "shortest"

__all__ = ["ORDER", "compose"]
