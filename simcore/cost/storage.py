"""Tensors that live outside the main tier: KV on CXL or host memory, weights streamed from NVMe."""

from __future__ import annotations

import numpy as np

from simcore.spec.hardware import Link, MemoryTier
from simcore.spec.system import System


def is_main(system: System, name: str) -> bool:
    """Whether a name stands for the tier that the matrix unit reads."""
    return name in ("main", system.chip.main_tier)


def tier_read_bytes_per_s(system: System, name: str) -> float:
    """Bandwidth at which one chip reads a tier: its share of the tier, at most the link to it. inf for the main tier.

    Raises KeyError naming the tiers that exist.
    """
    if is_main(system, name):
        return np.inf
    return min(own_read_bytes_per_s(system, name), link_bytes_per_s(system, name))


def tier_write_bytes_per_s(system: System, name: str) -> float:
    """The same for writing; a tier that states no write bandwidth writes as fast as it reads."""
    if is_main(system, name):
        return np.inf
    return min(own_write_bytes_per_s(system, name), link_bytes_per_s(system, name))


def own_read_bytes_per_s(system: System, name: str) -> float:
    """One chip's share of what a tier reads, whatever leads to it."""
    tier, share = system.tier(name)
    return min(tier.read_bytes_per_s, _in_flight_bytes_per_s(tier)) * share


def own_write_bytes_per_s(system: System, name: str) -> float:
    """The same for writing."""
    tier, share = system.tier(name)
    return min(tier.write_bytes_per_s or tier.read_bytes_per_s, _in_flight_bytes_per_s(tier)) * share


def link_bytes_per_s(system: System, name: str) -> float:
    """The link to a tier, one direction; inf where none is crossed."""
    link = links_of(system).get(system.tier(name)[0].link or "")
    return np.inf if link is None else link.bytes_per_s


def _in_flight_bytes_per_s(tier: MemoryTier) -> float:
    """What accesses of the tier's granularity bring with so many under way at once (Little's law)."""
    if tier.queue_depth is None or tier.latency_s == 0.0:
        return np.inf
    return tier.queue_depth * tier.granularity_bytes / tier.latency_s


def tier_latency_s(system: System, name: str) -> float:
    """Seconds until a tier answers, its link's included; 0 for the main tier, whose streams hide it."""
    if is_main(system, name):
        return 0.0
    tier, _ = system.tier(name)
    link = links_of(system).get(tier.link or "")
    return tier.latency_s + (link.latency_s if link else 0.0)


def links_of(system: System) -> dict[str, Link]:
    """Links over which a chip reaches tiers; the node's go before the chip's own ports of that name."""
    return {**system.chip.links, **(system.node.links if system.node else {})}


def tier_bytes(system: System, name: str) -> float:
    """One chip's share of a tier's capacity."""
    tier, share = system.tier(name)
    return tier.reported_bytes * share
