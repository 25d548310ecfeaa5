"""Tensors that live outside the main tier: KV on CXL or host memory, weights streamed from NVMe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from simcore.kept.lazy import dataclass
from simcore.spec.hardware import Link, MemoryTier
from simcore.spec.system import System


def is_main(system: System, name: str) -> bool:
    """Whether a name stands for the tier that the matrix unit reads."""
    return name in ("main", system.chip.main_tier)


@dataclass(frozen=True)
class Stripe:
    """One tier of those that hold a class of tensors together, and how much of every tensor is there."""

    tier: MemoryTier
    read_bytes_per_s: float
    """one chip's share, of all cards, whatever leads to it"""
    write_bytes_per_s: float
    capacity_bytes: float
    endurance_bytes: float
    latency_s: float
    part_ratio: float


def stripes(system: System, name: str) -> tuple[Stripe, ...]:
    """The tiers behind a name: `cxl`, `2*cxl` (as many cards alike), `dram+2*cxl`; each has its part of the bandwidth
    of every tensor. Raises KeyError naming the tiers that exist."""
    links, found = links_of(system), []
    for word in name.split("+"):
        count, _, bare = word.rpartition("*")
        if word != bare and is_main(system, bare):
            raise KeyError(f"{bare} is the main tier of {system.name}, and no card beside it")
        tier, share = system.tier(bare)
        own = share * float(count or 1)
        flight = _in_flight_bytes_per_s(tier)
        read = min(tier.read_bytes_per_s, flight) * own
        write = min(tier.write_bytes_per_s or tier.read_bytes_per_s, flight) * own
        link = links.get(tier.link or "")
        late_s = tier.latency_s + (link.latency_s if link else 0.0)
        life = np.inf if tier.endurance_bytes is None else tier.endurance_bytes * own
        found.append(Stripe(tier, read, write, tier.reported_bytes * own, life, late_s, 1.0))
    rates = [one.read_bytes_per_s * _link_ratio(system, found, one) for one in found]
    return tuple(replace(one, part_ratio=rate / sum(rates)) for one, rate in zip(found, rates, strict=True))


def _link_ratio(system: System, parts: Sequence[Stripe], one: Stripe) -> float:
    """Share of its bandwidth that the link leaves to a tier, where several tiers are behind it."""
    link = links_of(system).get(one.tier.link or "")
    if link is None:
        return 1.0
    behind = sum(other.read_bytes_per_s for other in parts if other.tier.link == one.tier.link)
    return min(1.0, link.bytes_per_s / behind)


def tier_read_bytes_per_s(system: System, name: str) -> float:
    """Bandwidth at which one chip reads a tier: its share of the tier, at most the link to it. inf for the main tier.

    Of several tiers with parts of every tensor, all at once. Raises KeyError naming the tiers that exist.
    """
    if is_main(system, name):
        return np.inf
    parts = stripes(system, name)
    if len(parts) == 1:
        return min(parts[0].read_bytes_per_s, link_bytes_per_s(system, name))
    return float(sum(one.read_bytes_per_s * _link_ratio(system, parts, one) for one in parts))


def tier_write_bytes_per_s(system: System, name: str) -> float:
    """The same for writing; a tier that states no write bandwidth writes as fast as it reads. A tensor's parts wait for
    the slowest of them."""
    if is_main(system, name):
        return np.inf
    parts, links = stripes(system, name), links_of(system)
    if len(parts) == 1:
        return min(parts[0].write_bytes_per_s, link_bytes_per_s(system, name))
    rates = []
    for one in parts:
        behind = sum(other.part_ratio for other in parts if other.tier.link == one.tier.link)
        link = links.get(one.tier.link or "")
        rates.append(one.write_bytes_per_s / one.part_ratio)
        rates.append(np.inf if link is None else link.bytes_per_s / behind)
    return float(min(rates))


def own_read_bytes_per_s(system: System, name: str) -> float:
    """One chip's share of what a tier reads, whatever leads to it."""
    return float(sum(one.read_bytes_per_s for one in stripes(system, name)))


def own_write_bytes_per_s(system: System, name: str) -> float:
    """The same for writing."""
    return float(sum(one.write_bytes_per_s for one in stripes(system, name)))


def link_bytes_per_s(system: System, name: str) -> float:
    """The link to a tier, one direction; inf where none is crossed. Of one tier."""
    link = links_of(system).get(stripes(system, name)[0].tier.link or "")
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
    return max(one.latency_s for one in stripes(system, name))


def links_of(system: System) -> dict[str, Link]:
    """Links over which a chip reaches tiers; the node's go before the chip's own ports of that name."""
    return {**system.chip.links, **(system.node.links if system.node else {})}


def tier_bytes(system: System, name: str) -> float:
    """One chip's share of a tier's capacity; of several, until the first is full."""
    return float(min(one.capacity_bytes / one.part_ratio for one in stripes(system, name)))


def tier_endurance_bytes(system: System, name: str) -> float:
    """Bytes that one chip may write to its share of a tier before it is worn out; inf where no tier says."""
    if is_main(system, name):
        return np.inf
    return float(min(one.endurance_bytes / one.part_ratio for one in stripes(system, name)))
