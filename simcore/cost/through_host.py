"""Collectives of chips that one host joins without peer-to-peer: rings and trees over a link of two numbers."""

from __future__ import annotations

from collections.abc import Callable

from simcore.cost.collective import Spans, collective_model
from simcore.ops.op import Column
from simcore.spec.hardware import Link


def through_host(link: Link, ranks: int, name: str) -> Callable[[Column], Column]:
    """`bytes -> seconds` of a collective over so many ranks. Two ranks reduce S bytes in 2 latency + S / bandwidth.

    Wrong where the host's memory or its own links are the narrower: state what one chip gets with all of them busy.
    """
    at = Spans(float(ranks), 1.0, link.bytes_per_s, link.latency_s, float("inf"), 0.0, has_peers=False)
    model = collective_model(at)
    return lambda size_bytes: model.time_s(name, size_bytes)
