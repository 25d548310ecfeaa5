"""Tensors that live outside the main tier: KV on CXL or host memory, weights streamed from NVMe."""

from __future__ import annotations

import numpy as np

from simcore.ops.op import Column
from simcore.spec.system import System


def tier_read_bytes_per_s(system: System, name: str) -> float:
    """Bandwidth at which one chip reads a tier: its share of the tier, at most the link to it. inf for the main tier.

    Raises KeyError naming the tiers that exist.
    """
    if name in ("main", system.chip.main_tier):
        return np.inf
    tier, share = system.tier(name)
    rate = tier.read_bytes_per_s * share
    links = {**system.chip.links, **(system.node.links if system.node else {})}
    if tier.link is not None and tier.link in links:
        rate = min(rate, links[tier.link].bytes_per_s)
    return rate


def tier_bytes(system: System, name: str) -> float:
    """One chip's share of a tier's capacity."""
    tier, share = system.tier(name)
    return tier.capacity_bytes * share


def streamed_time_s(compute_s: Column, weights_bytes: Column, bytes_per_s: float, layers: int) -> Column:
    """Step time when weights arrive from a slow tier, prefetched one layer ahead.

    max(compute, W / B) + W / (B layers): all layers overlap with compute but the first (LLM in a flash; ZeRO-Infinity).
    """
    stream_s = weights_bytes / bytes_per_s
    return np.maximum(compute_s, stream_s) + stream_s / layers
