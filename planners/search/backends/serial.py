"""No engine: this process."""

from __future__ import annotations

from planners.search.backend import Backend, Serial


def connect(address: str | None = None, workers: int | None = None) -> Backend:
    return Serial()
