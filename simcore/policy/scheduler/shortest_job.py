"""Chunked prefill with the shortest request first, by input and output tokens (the output as if it were known)."""

from __future__ import annotations

from typing import Any

from simcore.policy.scheduler.chunked import compose

__all__ = ["compose", "rank"]


def rank(requests: Any, options: Any) -> Any:
    """Input and output tokens."""
    return requests["input_tokens"] + requests["output_tokens"]
